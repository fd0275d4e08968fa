import type { Command } from "commander";
import { count, repeated } from "../values.ts";

export function define(command: Command): void {
  for (const entry of [preview, explain, order, audit]) entry(command);
}

function preview(pas: Command): void {
  withSource(pas.command("preview"), "[file]", true)
    .summary("Show learning rate, probabilities and counts of every step")
    .description(
      "Shows learning rate, probabilities and counts of every step, passes over every cell, and the hash of the order.",
    )
    .option("--svg <file>", "also draw mixture, learning rate and passes as an SVG image")
    .addHelpText(
      "after",
      "\n  $ legalone pas preview pipelines/demo.yaml\n  $ legalone pas preview pipelines/demo.yaml --svg mixture.svg\n  $ legalone pas preview spec.yaml --json\n\nA bare spec has cells at its top level: steps, batch, lambda, schedule, cells, seed, hold.",
    )
    .action(async (file: string | undefined, _options, command: Command) => {
      const { previewPas } = await import("../actions/pas-preview.ts");
      await previewPas(file, command.optsWithGlobals());
    });
}

function explain(pas: Command): void {
  withSource(pas.command("explain"), "[file]", true)
    .summary("Show how one step gets its sequences")
    .description("Shows the formula of one step with its numbers, and how far every cell is from its target.")
    .requiredOption("--step <n>", "step, counted from 0", count)
    .addHelpText(
      "after",
      "\n  $ legalone pas explain pipelines/demo.yaml --step 300\n  $ legalone pas explain --run latest --step 300",
    )
    .action(async (file: string | undefined, _options, command: Command) => {
      const { explainPas } = await import("../actions/pas-explain.ts");
      await explainPas(file, command.optsWithGlobals());
    });
}

function order(pas: Command): void {
  withSource(pas.command("order"), "[file]", false)
    .summary("Write the order folder for a trainer that runs alone")
    .description(
      "Writes order.idx, order.rows.bin and order.json over packed data, as the control plane does before a mid-training attempt.",
    )
    .option("--out <folder>", "folder to write")
    .option("--job <file>", "a worker's job.json in place of a pipeline file; writes <attempt folder>/order")
    .addHelpText(
      "after",
      "\n  $ legalone pas order pipelines/demo.yaml --packed .legalone/artifacts/<sha256> --out attempt/order\n  $ legalone pas order --job attempt/job.json",
    )
    .action(async (file: string | undefined, _options, command: Command) => {
      const { writePasOrder } = await import("../actions/pas-order.ts");
      await writePasOrder(file, command.optsWithGlobals());
    });
}

function audit(pas: Command): void {
  pas
    .command("audit")
    .summary("Compare what a run was planned to consume with what it consumed")
    .description(
      "Compares the planned order of a run with what every checkpoint and result of every attempt recorded: rows, ledger and hash of the order. Says `equal`, or the first step where they part. Works on a run that goes on, has ended or has failed; ends with 8 where they differ.",
    )
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .option("--stage <name>", "the stage, where a run has several with an order")
    .addHelpText(
      "after",
      "\n  $ legalone pas audit latest\n  $ legalone pas audit rk2m --stage midtrain --json",
    )
    .action(async (run: string | undefined, _options, command: Command) => {
      const { auditPas } = await import("../actions/pas-audit.ts");
      await auditPas(run, command.optsWithGlobals());
    });
}

/** Where the cells come from; the same for all three. `ofRun`: also from a run. */
function withSource(command: Command, file: string, ofRun: boolean): Command {
  command
    .argument(file, "pipeline file, or a bare spec")
    .option("--set <key=value>", "change a value of the pipeline file; may be repeated", repeated)
    .option("--stage <name>", "the stage, where a pipeline has several with an order")
    .option(
      "--packed <folder>",
      "packed data to take the cells from, repeated for the shards of a stage; otherwise those of the newest run",
      repeated,
    );
  return ofRun
    ? command.option("--run <run>", "in place of a file: options and packed data of this run, amendments too")
    : command;
}
