import { defineConfig } from "vitest/config";

const long = process.env.LEGALONE_LONG === "1";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", ...(long ? [] : ["test/**/*.long.test.ts"])],
    // Two cores: files that start servers get in each other's way beyond that.
    maxWorkers: 2,
    // A loaded machine is late, not wrong.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});
