import type { Command } from "commander";
import { integer } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("<run>", "run: its name, its id or a unique beginning of it; `latest` for the newest")
    .argument("<n>", "runs of a higher number get free slots and NPUs first; after -- also below 0", integer)
    .addHelpText(
      "after",
      "\n  $ legalone priority rk2m 5\n  $ legalone priority rk2m -- -1\n\nWhat runs already goes on; `legalone status` shows the queue.",
    )
    .action(async (run: string, n: number) => {
      const { changePriority } = await import("../actions/priority.ts");
      await changePriority(run, n, command.optsWithGlobals());
    });
}
