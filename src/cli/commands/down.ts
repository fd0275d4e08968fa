import type { Command } from "commander";
import { seconds } from "../values.ts";

export function define(command: Command): void {
  command
    .option("--workers", "stop the workers too: they save a checkpoint and leave", false)
    .option("--grace <seconds>", "how long a worker may take to save before it is killed", seconds, 120)
    .action(async () => {
      const { runDown } = await import("../actions/down.ts");
      await runDown(command.optsWithGlobals());
    });
}
