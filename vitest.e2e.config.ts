import { defineConfig } from "vitest/config";

// One run of the demo (globalSetup) is what every file here looks at; they run one after another.
export default defineConfig({
  test: {
    include: ["test/e2e/**/*.test.ts"],
    globalSetup: ["test/e2e/demo-run.ts"],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 900_000,
  },
});
