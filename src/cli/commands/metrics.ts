import type { Command } from "commander";
import { repeated, wholeNumber } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .argument("[stage]", "only this stage")
    .option("--name <metric>", "only this metric; may be repeated", repeated)
    .option("--plot", "draw each curve")
    .option("--points <number>", "at most this many points a curve", wholeNumber, 400)
    .addHelpText("after", "\n  $ legalone metrics latest midtrain --name loss --plot")
    .action(async (run: string | undefined, stage: string | undefined) => {
      const { metrics } = await import("../actions/metrics.ts");
      await metrics(run, stage, command.optsWithGlobals());
    });
}
