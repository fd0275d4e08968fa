import type { Command } from "commander";
import { repeated } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("<file>", "pipeline file")
    .option("--set <key=value>", "change a value of the file; may be repeated", repeated)
    .option("--from <stage>", "as if this stage and all that depends on it had to run afresh")
    .option("--until <stage>", "last stage, with what it needs")
    .option("--assume-inputs", "take inputs from outside as if they were there")
    .addHelpText(
      "after",
      "\n  $ legalone plan pipelines/demo.yaml\n  $ legalone plan pipelines/legalone-8b.yaml --assume-inputs\n  $ legalone plan pipelines/demo.yaml --from sft\n\nFor a stage that ran before, WHY names what changed since: code, an option, an input, the seed.\nRESUME(step) names the run that `legalone resume` goes on with. Missing inputs are BLOCKED, and the command ends with exit code 3. Nothing is started.",
    )
    .action(async (file: string) => {
      const { plan } = await import("../actions/plan.ts");
      await plan(file, command.optsWithGlobals());
    });
}
