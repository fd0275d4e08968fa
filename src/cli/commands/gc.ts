import type { Command } from "commander";
import { age, count } from "../values.ts";

export function define(command: Command): void {
  command
    .option(
      "--older-than <time>",
      "only of runs that ended longer ago than this, for example 12h or 30d",
      age,
      age("30d"),
    )
    .option("--keep-runs <n>", "the newest runs keep everything, however old", count, 1)
    .option("--dry-run", "say what would go, and remove nothing")
    .addHelpText(
      "after",
      "\n  $ legalone gc --dry-run\n  $ legalone gc --older-than 7d --keep-runs 5\n\nRemoves outputs, checkpoints and attempt folders that nobody needs. Kept are: everything of runs that go on, of the\nnewest ones and of those that ended lately; what these took from older runs; every output in the lineage of a delivered\nmodel. The records, logs of events and metrics stay.",
    )
    .action(async () => {
      const { gc } = await import("../actions/gc.ts");
      await gc(command.optsWithGlobals());
    });
}
