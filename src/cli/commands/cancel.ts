import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("<run>", "run: its name, its id or a unique beginning of it; `latest` for the newest")
    .action(async (run: string) => {
      const { cancel } = await import("../actions/cancel.ts");
      await cancel(run, command.optsWithGlobals());
    });
}
