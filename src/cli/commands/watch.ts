import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .addHelpText(
      "after",
      "\nCtrl-C leaves the run running (exit code 6). The command ends with the run's exit code.",
    )
    .action(async (run: string | undefined) => {
      const { watch } = await import("../actions/watch.ts");
      await watch(run, command.optsWithGlobals());
    });
}
