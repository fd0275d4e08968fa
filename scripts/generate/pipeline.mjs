import { z } from "zod";
import { pipelineSchema } from "../../dist/config/pipeline-schema.js";
import { notice, propertyRows, table } from "./table.mjs";

const schema = z.toJSONSchema(pipelineSchema, { io: "input" });

/** JSON Schema of a pipeline file, for editors. */
export function pipelineSchemaFile() {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Reference of the keys of a pipeline file. */
export function pipelinePage() {
  return `${notice}
# The pipeline file

One YAML file is one training pipeline. \`legalone validate FILE\` checks its form and shows every error at once, each
with its line, its column, what was expected and a hint. An editor checks it while you type with

\`\`\`yaml
# yaml-language-server: $schema=../docs/schema/pipeline.schema.json
\`\`\`

${table(["key", "type", "default", "meaning"], propertyRows(schema))}

## Options of a stage

\`with\` holds the options of the stage kind that \`uses\` names; [options.md](options.md) lists them. A key that refers to
configs/ is written as the name of a file (\`corpus: demo\`) or as the object itself.

## Inputs

Stages are bound by kind of artifact: a stage takes what the stages in its \`needs\` make. Where two of them make the kind
and the stage takes one, or where none makes it, the file is wrong and the error names the candidates. A \`model\` that no
needed stage makes is the folder that \`weights\` of the pipeline's model names.

That folder lies below \`LEGALONE_MODELS\` or \`LEGALONE_DATA\` of the agent ([nodes.md](nodes.md#variables-of-workers)).

## Variables

\`\${NAME}/path\` at the beginning of an address is below the folder that the variable NAME names on the node that reads it;
options that end in \`_env\` hold the name of a variable. Only names of \`variables\` in the cluster's file are taken
(without it LEGALONE_CORPUS and address and key of teacher, judge and rollout server). Plans, records and messages keep
the name; a value stands in none of them.

## Limits of a file

A regular file of UTF-8 text, at most 256 KiB, 64 levels and 200,000 values, where an alias counts as what it stands for.
Keys are plain text; \`__proto__\`, \`constructor\` and \`prototype\` are none.

## Gates

\`gate: {metric: legal_ppl, below: base.legal_ppl}\` compares a result metric of the stage with a number, with another
metric of the stage, or with \`<stage>.<metric>\` of a stage that ends before it. \`gate\` is one condition or a list. A gate
that does not hold ends the run with exit code 10.

A level of \`rl\` has two rewards. \`<level>_reward_before\` and \`_after\` are of prompts of its own pool: they show that it
learns. \`<level>_heldout_before\` and \`_after\` are of prompts it never sees: they show what carries over. Gate both. Of each
\`<level>_reward_gain\` and \`<level>_heldout_gain\` is the difference over the same prompts, with \`_lo\` and \`_hi\`:
\`{metric: choice_heldout_gain_lo, above: 0}\` asks for a rise that can be told from chance,
\`{metric: choice_heldout_gain_hi, at_least: 0}\` only that no fall can be told. \`eval\` has \`<task>_gain\` in the same way, of
the delivered model against its base.

## The verdict on the model

Summary, \`status\`, report and model card begin with one sentence: in which tasks the delivered model is better or worse
than its base, by what, and in which no difference can be told. It is made in the stage \`eval\`, over the same items for
both models (paired bootstrap, BCa, 9,999 resamples), with intervals that hold for all tasks of the suite together. A gain in
a choice counts only above blind choice; prompts the model was trained on are told apart and decide nothing. Perplexities
that rose beyond their intervals since mid-training, and rewards that did not rise on held-out prompts, belong to it. Where
the base was not evaluated it says so. The base is the model of the run's \`base\` stage or the pipeline's own weights; put it
among the models of \`eval\`, and \`eval\` among the needs of \`export\`, which puts the shards and suites together.

## Overrides

\`--set stages.midtrain.with.tokens=1e9\` changes a value for one command; it may be repeated, and its value is YAML.
\`LEGALONE_SET\` holds the same for every command, several divided by \`;\`.

## Durations and numbers

\`90s\`, \`30m\`, \`12h\`, \`14d\`, \`1d12h\` are durations. \`100e9\` is a number.
`;
}
