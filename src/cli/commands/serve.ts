import type { Command } from "commander";
import { port } from "../values.ts";

export function define(command: Command): void {
  command
    .option(
      "--host <address>",
      "address to listen on; agents of other machines need one they reach",
      "127.0.0.1",
    )
    .option("--port <number>", "port to listen on; the default is a free one", port, 0)
    .option("--check", "only say whether this version can serve the records of this workspace, and leave")
    .action(async () => {
      const { runServe } = await import("../serve/run-serve.ts");
      await runServe(command.optsWithGlobals());
      // All is closed. The engine that migrated keeps a timer of ten seconds, which nobody has to wait for.
      process.exit();
    });
}
