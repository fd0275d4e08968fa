import { type Difference, shortValue } from "../core/differences.ts";
import type { ComparedRun } from "../records/reads/comparison.ts";
import { number, words } from "./format.ts";
import type { Look } from "./look.ts";
import { partsOf, type RunDiff } from "./run-diff.ts";
import { cut, indent, table } from "./table.ts";

const longest = 200;

/** Two runs side by side: what differs, part by part, and how each ended. */
export function diffView(diff: RunDiff, left: ComparedRun, right: ComparedRun, look: Look): string {
  const { colors } = look;
  const ends = [left, right].map(({ detail: { run, verdict } }) => {
    return `run ${colors.bold(run.id)}  ${cut(run.pipeline, 60)}  ${words(verdict.state)}`;
  });
  if (diff.same)
    return [...ends, "", "The runs are the same: configuration, code, inputs, consumed data, outcome."].join(
      "\n",
    );
  const rows = [
    ...diff.run.map((one) => ["run", "configuration", ...sides(one)]),
    ...diff.stages.flatMap((stage) => {
      if (stage.only) return [[stage.stage, "only in", stage.only === "left" ? diff.left : diff.right, ""]];
      return partsOf(stage).flatMap(({ part, found }) =>
        found.map((one) => [stage.stage, part, ...sides(one)]),
      );
    }),
  ];
  const columns = [
    { title: "STAGE" },
    { title: "PART", drop: "late" },
    { title: "WHAT", gives: "wrap" },
    { title: diff.left, gives: "wrap" },
    { title: diff.right, gives: "wrap" },
  ] as const;
  const written = [
    ...diff.written.left.map((line) => colors.red(`- ${line}`)),
    ...diff.written.right.map((line) => colors.green(`+ ${line}`)),
  ];
  return [
    ...ends,
    "",
    ...(rows.length > 0 ? [table(columns, rows, look)] : []),
    ...(written.length > 0 ? ["", colors.dim("WRITTEN"), indent(written.join("\n"))] : []),
    "",
    sameStages(diff),
  ].join("\n");
}

/** What, then its value in each run. */
function sides({ path, before, after }: Difference): string[] {
  return [path, shown(before), shown(after)];
}

function shown(value: unknown): string {
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return hash.test(value) ? `${value.slice(0, 12)}…` : cut(value, longest);
  return value === undefined ? "-" : shortValue(value, longest);
}

/** Its beginning says as much as the whole. */
const hash = /^[0-9a-f]{64}$/;

function sameStages({ stages }: RunDiff): string {
  const same = stages.filter(
    (stage) => stage.only === null && partsOf(stage).every(({ found }) => found.length === 0),
  );
  return same.length === 0
    ? "No stage is the same."
    : `The same: ${same.map(({ stage }) => stage).join(", ")}`;
}
