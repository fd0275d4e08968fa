import type { Command } from "commander";
import { repeated } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .requiredOption("--stage <name>", "stage to try again; may be repeated", repeated)
    .option("--detach", "start them again and leave")
    .addHelpText(
      "after",
      "\n  $ legalone retry latest --stage eval\n\nA stage that failed goes on from its last checkpoint; one that succeeded really runs again.",
    )
    .action(async (run: string | undefined) => {
      const { resume } = await import("../actions/resume.ts");
      await resume(run, command.optsWithGlobals());
    });
}
