import { defineConfig } from "vitest/config";

const long = process.env.LEGALONE_LONG === "1";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", ...(long ? [] : ["test/**/*.long.test.ts"])],
    // Two cores: files that start servers get in each other's way beyond that.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A loaded machine is late, not wrong.
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
});
