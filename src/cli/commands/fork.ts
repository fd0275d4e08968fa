import type { Command } from "commander";
import { count, integer, key, note, repeated, runName, tags } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("<run>", "run to fork: its name, its id or a unique beginning of it; `latest` for the newest")
    .argument("[file]", "pipeline file; the text that the run kept when left out")
    .requiredOption("--stage <name>", "stage that begins from a checkpoint of that run")
    .option(
      "--step <n>",
      "the newest checkpoint at or before this step; the newest of all when left out",
      count,
    )
    .option("--set <key=value>", "change a value of the file; may be repeated", repeated)
    .option("--until <stage>", "last stage to run, with what it needs")
    .option("--priority <n>", "runs of a higher number get free slots and NPUs first; 0 unless said", integer)
    .option("--name <name>", "call the run so; a name can stand wherever a run can", runName)
    .option("--tag <tag>", "tag the run, beside the tags of the old one; may be repeated", tags)
    .option("--note <text>", "what the run is for; the note of the old one when left out", note)
    .option("--detach", "submit and leave; the run goes on")
    .option("--idempotency-key <key>", "attach to the run of this key when there is one", key)
    .addHelpText(
      "after",
      "\n  $ legalone fork latest --stage midtrain --step 200 --set stages.midtrain.with.pas.lambda=8\n  $ legalone fork rk2m changed.yaml --stage sft\n\nThe old run is not touched. Stages before the forked one are taken by content; its outputs count as made from the\ncheckpoint, and are never taken for those of a stage that began at step 0. `legalone lineage` shows where it began.",
    )
    .action(async (run: string, file: string | undefined) => {
      const { fork } = await import("../actions/fork.ts");
      await fork(run, file, command.optsWithGlobals());
    });
}
