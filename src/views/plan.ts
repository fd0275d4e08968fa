import { relative } from "node:path";
import type { Plan, PlannedStage, StageAction } from "../plan/types.ts";
import { bytes, count } from "./format.ts";
import type { Look } from "./look.ts";
import { cut, table } from "./table.ts";

/** The plan as a table with totals, warnings and the verdict. */
export function planView(plan: Plan, look: Look): string {
  const { colors } = look;
  const paint: Record<StageAction, (text: string) => string> = {
    RUN: colors.green,
    SKIP: colors.dim,
    RESUME: colors.cyan,
    BLOCKED: colors.red,
  };
  const model = plan.model ? `, ${plan.model.name} with ${count(plan.model.parameters)} parameters` : "";
  const head = `${colors.bold(plan.pipeline)} on ${plan.cluster}${model}`;
  const right = { align: "right" } as const;
  const stages = table(
    [
      { title: "STAGE" },
      { title: "KIND" },
      { title: "ACTION" },
      { title: "NPUS", ...right },
      { title: "STEPS", ...right },
      { title: "TOKENS", ...right },
      { title: "NPU-HOURS", ...right },
      { title: "WHY" },
    ],
    plan.stages.map((stage) => rowOf(stage, paint[stage.action])),
    colors.dim,
  );
  const { npuHours, wallHours, checkpointBytes } = plan.totals;
  const hours = npuHours
    ? `about ${count(Math.round(npuHours))} NPU-hours, ${hoursText(wallHours)} one after the other`
    : null;
  const disk = checkpointBytes > 0 ? `${bytes(checkpointBytes)} of checkpoints` : null;
  const totals = [hours, disk].filter((text) => text !== null).join("; ");
  return [
    head,
    "",
    stages,
    "",
    ...(totals ? [totals] : []),
    ...plan.warnings.map((text) => `${colors.yellow("warning")} ${text}`),
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
    cut(why, 100),
  ];
}

function hoursText(hours: number | null): string {
  if (hours === null) return "unknown time";
  return hours < 48 ? `${hours.toFixed(1)} hours` : `${(hours / 24).toFixed(1)} days`;
}

function verdictText({ verdict, missing, file, resume }: Plan, { colors }: Look): string {
  if (verdict === "blocked") {
    const lacks = missing.map(({ what, stages }) => `  ${what} (${stages.join(", ")})`);
    return [colors.red("BLOCKED:"), ...lacks].join("\n");
  }
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
