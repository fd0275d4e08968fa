import type { Command } from "commander";
import { repeated } from "../repeated.ts";

export function define(command: Command): void {
  command
    .argument("[run]", "run, or a unique beginning of its id; the newest when left out")
    .requiredOption("--stage <name>", "stage to try again; may be repeated", repeated)
    .option("--detach", "start them again and leave")
    .action(async (run: string | undefined) => {
      const { resume } = await import("../actions/resume.ts");
      await resume(run, command.optsWithGlobals());
    });
}
