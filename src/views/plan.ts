import { relative } from "node:path";
import type { Plan, PlannedStage, StageAction } from "../plan/types.ts";
import { bytes, count } from "./format.ts";
import type { Look } from "./look.ts";
import { indent, paragraphs, table, wrap } from "./table.ts";

/**
 * The plan as a table with totals, warnings and the verdict; its first line says what keeps it from running here.
 * @param npusHere NPUs of this machine
 */
export function planView(plan: Plan, look: Look, npusHere: number): string {
  const { colors } = look;
  const paint: Record<StageAction, (text: string) => string> = {
    RUN: colors.green,
    SKIP: colors.dim,
    RESUME: colors.cyan,
    BLOCKED: colors.red,
  };
  const model = plan.model ? `, ${plan.model.name} with ${count(plan.model.parameters)} parameters` : "";
  const lacks = cannotRun(plan, npusHere);
  const cannot = lacks.length === 0 ? "" : `; ${colors.red(`cannot run here: ${lacks.join("; ")}`)}`;
  const head = `${colors.bold(plan.pipeline)} on ${plan.cluster}${model}${cannot}`;
  const right = { align: "right" } as const;
  const stages = table(
    [
      { title: "STAGE" },
      { title: "KIND", drop: "late" },
      { title: "ACTION" },
      { title: "NPUS", ...right },
      { title: "STEPS", ...right },
      { title: "TOKENS", ...right },
      { title: "NPU-HOURS", ...right },
      { title: "WHY", gives: "below" },
    ],
    plan.stages.map((stage) => rowOf(stage, paint[stage.action])),
    look,
  );
  const { npuHours, wallHours, checkpointBytes } = plan.totals;
  const hours = npuHours
    ? `about ${count(Math.round(npuHours))} NPU-hours, ${hoursText(wallHours)} one after the other`
    : null;
  const disk = checkpointBytes > 0 ? `${bytes(checkpointBytes)} of checkpoints` : null;
  const totals = [hours, disk].filter((text) => text !== null).join("; ");
  const left = leftOutText(plan);
  return [
    wrap(head, look.width),
    "",
    stages,
    "",
    paragraphs(
      [totals, left, ...plan.warnings.map((text) => `${colors.yellow("warning")} ${text}`)].filter(
        (text) => text !== "",
      ),
      look,
    ),
    verdictText(plan, look),
  ].join("\n");
}

function rowOf(
  { name, kind, action, why, resources, cost, step }: PlannedStage,
  paint: (text: string) => string,
): string[] {
  const npus = resources.nodes * resources.npus;
  const steps = cost.steps === null ? "-" : String(cost.steps);
  return [
    name,
    kind,
    paint(action === "RESUME" ? `RESUME(${step})` : action),
    npus === 0 ? "-" : resources.nodes > 1 ? `${resources.nodes} x ${resources.npus}` : String(npus),
    steps,
    cost.tokens === null ? "-" : count(cost.tokens),
    cost.npuHours ? count(Math.round(cost.npuHours)) : "-",
    why,
  ];
}

/** What keeps the pipeline from running on this machine, in a few words each. */
function cannotRun({ stages, missing, assumed }: Plan, npusHere: number): string[] {
  const lacks = [...missing, ...assumed];
  const unset = lacks.flatMap(({ what }) => /^(\S+) is not set$/.exec(what)?.[1] ?? []);
  const inputs = lacks.filter(({ what }) => what.startsWith("no "));
  const limits = lacks.filter(({ what }) => what.startsWith("asks "));
  // What --from lacks, and what the early look found.
  const others = lacks.filter(
    (lack) => ![...inputs, ...limits].includes(lack) && !lack.what.endsWith(" is not set"),
  );
  const npus = stages.filter(({ action, resources }) => action !== "SKIP" && resources.npus > npusHere);
  const has = npusHere === 0 ? "none" : npusHere;
  return [
    ...limits.map(({ what, stages: names }) => {
      const said = what.replace(/; .*$/, "");
      return `${names.join(", ")} ${names.length > 1 ? said.replace(/^asks /, "ask ") : said}`;
    }),
    npus.length === 0
      ? ""
      : `${npus.map(({ name }) => name).join(", ")} need NPUs, of which this machine has ${has}`,
    inputs.length === 0
      ? ""
      : inputs.length === 1
        ? inputs[0]!.what
        : `${inputs.length} inputs are not there`,
    unset.length === 0 ? "" : `${unset.join(", ")} not set`,
    others.length === 0
      ? ""
      : `${[...new Set(others.flatMap(({ stages: names }) => names))].join(", ")} would fail, as told below`,
  ].filter((text) => text !== "");
}

/** What the sums above do not count. */
function leftOutText({ totals: { leftOut } }: Plan): string {
  const parts = [
    leftOut.stages.length === 0 ? "" : `NPU-hours of ${leftOut.stages.join(", ")} (unknown before they run)`,
    leftOut.servers.length === 0 ? "" : `the servers of ${leftOut.servers.join(", ")}`,
    "outputs of the stages on disk",
  ];
  return `Not counted: ${parts.filter((part) => part !== "").join("; ")}`;
}

function hoursText(hours: number | null): string {
  if (hours === null) return "unknown time";
  return hours < 48 ? `${hours.toFixed(1)} hours` : `${(hours / 24).toFixed(1)} days`;
}

function verdictText({ verdict, missing, assumed, file, resume }: Plan, look: Look): string {
  const { colors } = look;
  const list = (lacks: Plan["missing"]) =>
    lacks
      .map(({ what, stages }) => indent(wrap(`${what} (${stages.join(", ")})`, look.width - 2)))
      .join("\n");
  if (verdict === "blocked") return `${colors.red("BLOCKED:")}\n${list(missing)}`;
  if (verdict === "assumed")
    return `${colors.red("Priced, not ready.")} legalone train refuses it for what was assumed:\n${list(assumed)}`;
  if (verdict === "nothing to do") return "Every stage is skipped: its outputs are there already.";
  if (resume !== null)
    return `Ready: legalone resume ${resume} goes on from its checkpoints; legalone train ${shown(file)} begins those stages anew`;
  return `Ready: legalone train ${shown(file)}`;
}

/** Relative to the working folder where the file lies below it. */
function shown(file: string): string {
  const near = relative(process.cwd(), file);
  return near.startsWith("..") ? file : near;
}
