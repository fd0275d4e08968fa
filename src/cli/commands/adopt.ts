import type { Command } from "commander";

export function define(command: Command): void {
  command
    .option("--moved", "nobody uses it where it lay before: it keeps its name and its runs", false)
    .option("--copy", "the original goes on: this folder becomes a workspace of its own", false)
    .addHelpText(
      "after",
      "\n  $ legalone adopt --moved     the folder came here from another machine, or the machine that used it is gone\n  $ legalone adopt --copy      the folder was copied after `legalone down`\n\nA folder that was renamed on one machine while nothing ran needs neither.",
    )
    .action(async () => {
      const { adopt } = await import("../actions/adopt.ts");
      await adopt(command.optsWithGlobals());
    });
}
