import { type Command, InvalidArgumentError } from "commander";
import { count } from "../whole-number.ts";

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

const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function age(text: string): number {
  const [, number, unit] = /^(\d+)([mhdw])$/.exec(text) ?? [];
  if (number === undefined || unit === undefined)
    throw new InvalidArgumentError("Expected a time such as 30m, 12h, 30d or 4w.");
  return Number(number) * units[unit]!;
}
