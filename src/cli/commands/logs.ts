import type { Command } from "commander";
import { wholeNumber } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .argument("[stage]", "only this stage")
    .option("-f, --follow", "go on until the run or the stage ends")
    .option("-n, --tail <lines>", "begin with the last lines", wholeNumber, 100)
    .option("--stdout", "what the stage's worker wrote to standard output, in place of its events")
    .option("--stderr", "what the stage's worker wrote to standard error, in place of its events")
    .addHelpText("after", "\n  $ legalone logs latest midtrain -f\n  $ legalone logs rk2m sft --stderr")
    .action(async (run: string | undefined, stage: string | undefined) => {
      const { logs } = await import("../actions/logs.ts");
      await logs(run, stage, command.optsWithGlobals());
    });
}
