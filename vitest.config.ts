import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const long = process.env.LEGALONE_LONG === "1";
/** Files that take minutes: begun first, so that none of them runs alone at the end. */
const longest = ["test/chaos/", "test/cli/sharded-training", "test/cli/housekeeping", "test/cli/steering"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = longest.findIndex((part) => moduleId.includes(part));
      return found === -1 ? longest.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", ...(long ? [] : ["test/**/*.long.test.ts"])],
    sequence: { sequencer: LongestFirst },
    // Two cores: files that start servers get in each other's way beyond that.
    maxWorkers: 2,
    // A loaded machine is late, not wrong.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
  },
});
