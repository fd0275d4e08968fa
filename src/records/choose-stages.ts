import { LegaloneError } from "../core/errors.ts";
import type { GateRow, StageState } from "../core/rows.ts";
import { stagesUntil } from "../core/scope.ts";
import { unknownName } from "../core/suggest.ts";
import { measured } from "../core/text.ts";

/** A stage of the highest generation, as a resume sees it. */
export interface CurrentStage {
  id: string;
  name: string;
  kind: string;
  position: number;
  generation: number;
  shards: number;
  codeHash: string;
  fresh: boolean;
  startFrom: string | null;
  spec: object & { needs?: string[] };
  state: StageState;
  endedAt: Date | null;
  needs: string[];
  gates: Pick<GateRow, "metric" | "comparison" | "against" | "value" | "threshold" | "passed">[];
  /** It has outputs in the records that are no longer on disk. */
  outputsGone: boolean;
}

/**
 * The stages of a run that a resume runs again, in order: those that ended without outputs, unless a gate before them
 * did not hold; those asked for by name and all that follow them; those whose outputs are gone and needed; and those that
 * wait for one of these, so that nobody takes what the old row made for what the new one makes.
 * @param stages in the order of the pipeline
 * @throws LegaloneError E_NOT_FOUND for a name that is no stage; E_GATE_FAILED when only a gate is in the way; E_CONFLICT
 * when a stage works with what another is to make again
 */
export function chooseStages<T extends CurrentStage>(
  stages: readonly T[],
  { stages: names = [], until }: { stages?: string[]; until?: string },
): T[] {
  const asked = new Set(names);
  refuseUnknown(stages, asked);
  const inScope = stagesUntil(stages, until);
  const again = new Set<string>();
  const behindGate = new Set<string>();
  for (const stage of stages) {
    const { name, needs } = stage;
    const repeats = asked.has(name) || needs.some((need) => asked.has(need) && again.has(need));
    if (repeats) asked.add(name);
    const gateFailed = stage.gates.some((gate) => !gate.passed);
    if (!repeats && (gateFailed || needs.some((need) => behindGate.has(need)))) behindGate.add(name);
    if (stage.endedAt === null || !inScope.has(name)) continue;
    const undone = stage.state === "FAILED" || stage.state === "CANCELLED";
    if (repeats || (undone && !behindGate.has(name))) again.add(name);
  }
  addGone(stages, again);
  addWaiting(stages, again);
  if (again.size === 0) refuseBehindGate(stages);
  return stages.filter((stage) => again.has(stage.name));
}

/** From the end to the beginning: what is made again may itself need something made again. */
function addGone(stages: readonly CurrentStage[], again: Set<string>): void {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  for (const stage of [...stages].reverse()) {
    if (!again.has(stage.name)) continue;
    for (const need of stage.needs) if (byName.get(need)?.outputsGone) again.add(need);
  }
}

function addWaiting(stages: readonly CurrentStage[], again: Set<string>): void {
  for (const { name, state, needs } of stages) {
    const need = needs.find((one) => again.has(one));
    if (need === undefined) continue;
    if (state === "PENDING") again.add(name);
    if (state !== "READY" && state !== "RUNNING") continue;
    throw new LegaloneError(
      "E_CONFLICT",
      `${name} works with what ${need} made, so ${need} cannot run again now`,
      {
        hint: `wait for ${name}, or \`legalone cancel\` the run and resume it then`,
        fields: { stage: name },
      },
    );
  }
}

function refuseUnknown(stages: readonly CurrentStage[], asked: ReadonlySet<string>): void {
  const names = stages.map((stage) => stage.name);
  for (const name of asked)
    if (!names.includes(name)) throw unknownName("E_NOT_FOUND", "stage of this run", name, names);
}

function refuseBehindGate(stages: readonly CurrentStage[]): void {
  for (const stage of stages) {
    const gate = stage.gates.find((candidate) => !candidate.passed);
    if (!gate) continue;
    const { metric, comparison, against, value, threshold } = gate;
    const rule = `${comparison} ${against} (${measured(threshold, value)})`;
    throw new LegaloneError(
      "E_GATE_FAILED",
      `the gate of ${stage.name} did not hold: ${metric} is ${measured(value, threshold)}, to be ${rule}`,
      {
        hint: "change the pipeline and train it again; stages that stay the same are skipped",
        fields: { stage: stage.name },
      },
    );
  }
}
