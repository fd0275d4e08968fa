import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("<run>", "run: its name, its id or a unique beginning of it; `latest` for the newest")
    .argument("<other>", "the run to compare it with")
    .addHelpText(
      "after",
      "\n  $ legalone diff rk2m latest\n  $ legalone diff rk2m latest --json | jq .stages\n\nCompares what was written, the resolved options of every stage, code hashes, inputs, the data that training consumed\n(order and ledger of the newest checkpoint), states and metrics.",
    )
    .action(async (run: string, other: string) => {
      const { diff } = await import("../actions/diff.ts");
      await diff(run, other, command.optsWithGlobals());
    });
}
