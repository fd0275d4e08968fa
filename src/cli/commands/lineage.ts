import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .option("--stage <name>", "the output of this stage in place of the delivered model")
    .action(async (run: string | undefined) => {
      const { lineage } = await import("../actions/lineage.ts");
      await lineage(run, command.optsWithGlobals());
    });
}
