import type { Command } from "commander";

export function define(command: Command): void {
  command.action(async () => {
    const { runUp } = await import("../actions/up.ts");
    await runUp(command.optsWithGlobals());
  });
}
