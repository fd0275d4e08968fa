import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .option("--detach", "start it again and leave")
    .option("--until <stage>", "last stage to run, with what it needs")
    .addHelpText(
      "after",
      "\n  $ legalone resume latest\n\nStages that succeeded are kept. Those that failed or were cancelled go on from their last checkpoint.",
    )
    .action(async (run: string | undefined) => {
      const { resume } = await import("../actions/resume.ts");
      await resume(run, command.optsWithGlobals());
    });
}
