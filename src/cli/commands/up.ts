import type { Command } from "commander";

export function define(command: Command): void {
  command
    .addHelpText(
      "after",
      "\n  $ legalone up\n  $ LEGALONE_SLOTS=4 legalone up     an agent that runs four workers at once",
    )
    .action(async () => {
      const { runUp } = await import("../actions/up.ts");
      await runUp(command.optsWithGlobals());
    });
}
