import type { Command } from "commander";
import { tags, wholeNumber } from "../values.ts";

export function define(command: Command): void {
  command
    .argument(
      "[run]",
      "run: its name, its id or a unique beginning of it; `latest` for the newest; none lists the runs",
    )
    .option("--exit-code", "end with the exit code of the run (6 while it goes on)")
    .option("-n, --limit <runs>", "longest list", wholeNumber, 20)
    .option("--tag <tag>", "list runs with this tag; may be repeated", tags)
    .option("--pipeline <name>", "list runs of this pipeline")
    .addHelpText(
      "after",
      "\n  $ legalone status\n  $ legalone status latest --exit-code\n  $ legalone status rk2m --json | tail -1\n  $ legalone status --tag ablation\n\nDIFFERS shows the options that are not the same in all runs of a pipeline that are listed; with --json all of them.",
    )
    .action(async (run: string | undefined) => {
      const { runStatusCommand } = await import("../actions/status.ts");
      await runStatusCommand(run, command.optsWithGlobals());
    });
}
