import type { Command } from "commander";
import { repeated } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("<file>", "pipeline file")
    .option(
      "--set <key=value>",
      "change a value of the file, e.g. stages.sft.with.steps=50; may be repeated",
      repeated,
    )
    .addHelpText(
      "after",
      "\n  $ legalone validate pipelines/demo.yaml\n  $ legalone validate pipelines/legalone-8b.yaml --json",
    )
    .action(async (file: string) => {
      const { validate } = await import("../actions/validate.ts");
      validate(file, command.optsWithGlobals());
    });
}
