import type { Command } from "commander";

export function define(command: Command): void {
  command
    .option("--deep", "also import MindSpore and compute with it, which takes seconds", false)
    .action(async () => {
      const { runDoctor } = await import("../actions/doctor.ts");
      await runDoctor(command.optsWithGlobals());
    });
}
