import { readStageKind, stageKindNames } from "../../dist/config/stage-kind.js";
import { notice, propertyRows, table } from "./table.mjs";

/** Reference of the options of every stage kind. */
export function optionsPage() {
  const kinds = stageKindNames().map((name) => {
    const { kind, problems } = readStageKind(name);
    if (!kind) throw new Error(`${name}: ${problems.map(({ message }) => message).join("; ")}`);
    return kind;
  });
  return `${notice}
# Options of stage kinds

What stands below \`with\` of a stage, by the kind that \`uses\` names.
${kinds.map(section).join("\n")}`;
}

function section({ name, about, version, inputs, outputs, metrics, shards, with: schema }) {
  const rows = propertyRows(schema);
  const takes = inputs.map(
    ({ kind, optional, many }) => `${kind}${many ? " (any number)" : ""}${optional ? " (optional)" : ""}`,
  );
  const facts = [
    `Takes: ${takes.join(", ") || "nothing"}`,
    `Makes: ${outputs.map(({ kind }) => kind).join(", ")}`,
    `Shards: at most ${shards.max}`,
    `Version: ${version}`,
  ];
  return `
## ${name}

${about}

${facts.join(" · ")}

${rows.length > 0 ? table(["option", "type", "default", "meaning"], rows) : "It has no options."}

Metrics for gates: ${metrics.map((metric) => `\`${metric}\``).join(", ") || "none"}
`;
}
