import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .requiredOption("--to <folder>", "folder to make: a Hugging Face folder that transformers and vLLM load")
    .option("--force", "replace the folder when it is an exported model and nothing else")
    .action(async (run: string | undefined) => {
      const { exportModel } = await import("../actions/export.ts");
      await exportModel(run, command.optsWithGlobals());
    });
}
