import type { Command } from "commander";
import { integer, key, note, repeated, runName, tags } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("<file>", "pipeline file")
    .option(
      "--set <key=value>",
      "change a value of the file, e.g. stages.sft.with.steps=50; may be repeated",
      repeated,
    )
    .option(
      "--from <stage>",
      "run this stage and all that depends on it afresh; the others have to be there already",
    )
    .option("--until <stage>", "last stage to run, with what it needs")
    .option("--priority <n>", "runs of a higher number get free slots and NPUs first; 0 unless said", integer)
    .option("--name <name>", "call the run so; a name can stand wherever a run can", runName)
    .option("--tag <tag>", "tag the run; may be repeated", tags)
    .option("--note <text>", "what the run is for", note)
    .option("--detach", "submit and leave; the run goes on")
    .option(
      "--idempotency-key <key>",
      "attach to the run of this key when there is one, so that a repeated job starts nothing twice",
      key,
    )
    .addHelpText(
      "after",
      "\n  $ legalone train pipelines/demo.yaml\n  $ legalone train pipelines/demo.yaml --set seed=7 --until sft\n  $ legalone train pipelines/demo.yaml --from sft --until eval\n  $ legalone train pipelines/demo.yaml --priority 5 --detach\n  $ legalone train pipelines/demo.yaml --set seed=7 --name seed-7 --tag seeds\n\nCtrl-C leaves the run running (exit code 6).",
    )
    .action(async (file: string) => {
      const { train } = await import("../actions/train.ts");
      await train(file, command.optsWithGlobals());
    });
}
