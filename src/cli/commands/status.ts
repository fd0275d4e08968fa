import type { Command } from "commander";
import { wholeNumber } from "../values.ts";

export function define(command: Command): void {
  command
    .argument(
      "[run]",
      "run: its name, its id or a unique beginning of it; `latest` for the newest; none lists the runs",
    )
    .option("--exit-code", "end with the exit code of the run (6 while it goes on)")
    .option("-n, --limit <runs>", "longest list", wholeNumber, 20)
    .addHelpText(
      "after",
      "\n  $ legalone status\n  $ legalone status latest --exit-code\n  $ legalone status rk2m --json | tail -1",
    )
    .action(async (run: string | undefined) => {
      const { runStatusCommand } = await import("../actions/status.ts");
      await runStatusCommand(run, command.optsWithGlobals());
    });
}
