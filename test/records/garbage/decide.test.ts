import { describe, expect, test } from "vitest";
import {
  decideGarbage,
  type GarbageArtifact,
  type GarbageFacts,
} from "../../../src/records/garbage/decide.ts";

const now = new Date("2026-03-31T00:00:00Z");
const day = 86_400_000;
const ago = (days: number) => new Date(now.getTime() - days * day);

/** Runs of one stage each; `ended` in days ago, null for one that goes on. */
function factsOf(
  runs: Record<string, { ended: number | null; kind?: string; from?: string; start?: string }>,
): GarbageFacts {
  const facts: GarbageFacts = { now, runs: [], stages: [], attempts: [], artifacts: [] };
  for (const [id, { ended, kind = "train", from, start }] of Object.entries(runs)) {
    facts.runs.push({ id, createdAt: ago((ended ?? 0) + 1), endedAt: ended === null ? null : ago(ended) });
    const [cachedFrom, startFrom] = [from ?? null, start ?? null];
    facts.stages.push({ id: `${id}-s`, runId: id, kind, cachedFrom, startFrom });
    facts.attempts.push({ id: `${id}-e1`, runId: id, ended: ended !== null });
  }
  return facts;
}

function artifact(runId: string, kind: string, more: Partial<GarbageArtifact> = {}): GarbageArtifact {
  const id = `${runId}-${kind}`;
  const place = { sha256: id, uri: `file:///home/artifacts/${id}`, bytes: 1n };
  return {
    id,
    kind,
    ...place,
    runId,
    stageId: `${runId}-s`,
    attemptId: `${runId}-e1`,
    parents: [],
    gone: false,
    ...more,
  };
}

const policy = { olderThanMs: 30 * day, keepRuns: 0 };
const going = (facts: GarbageFacts, more = {}) =>
  decideGarbage(facts, { ...policy, ...more })
    .artifacts.map(({ id }) => id)
    .sort();

describe("what may go", () => {
  test("everything of an old run; nothing of one that goes on, or ended lately, whatever its end", () => {
    const facts = factsOf({ live: { ended: null }, recent: { ended: 29 }, old: { ended: 31 } });
    for (const run of ["live", "recent", "old"])
      facts.artifacts.push(artifact(run, "model"), artifact(run, "checkpoint"));
    const decision = decideGarbage(facts, policy);
    expect(decision.artifacts.map(({ id }) => id)).toEqual(["old-model", "old-checkpoint"]);
    expect(decision.attempts).toEqual(["old-e1"]);
    expect(decision.kept.get("live-checkpoint")).toBe("live");
    expect(going(facts, { olderThanMs: 0 })).toEqual([
      "old-checkpoint",
      "old-model",
      "recent-checkpoint",
      "recent-model",
    ]);
    expect(going(facts, { olderThanMs: 0, keepRuns: 2 })).toEqual(["old-checkpoint", "old-model"]);
  });

  test("what a kept run took over by content stays, without the checkpoints beside it", () => {
    const facts = factsOf({ live: { ended: null, from: "old-s" }, old: { ended: 31 } });
    facts.artifacts.push(artifact("old", "model"), artifact("old", "checkpoint"));
    expect(going(facts)).toEqual(["old-checkpoint"]);
  });

  test("the checkpoint a kept run was forked from stays, and the attempt's folder it lies in", () => {
    const facts = factsOf({ live: { ended: null, start: "old-checkpoint" }, old: { ended: 31 } });
    facts.artifacts.push(artifact("old", "model"), artifact("old", "checkpoint"));
    const decision = decideGarbage(facts, policy);
    expect(decision.kept.get("old-checkpoint")).toBe("start");
    expect(decision.artifacts.map(({ id }) => id)).toEqual(["old-model"]);
    expect(decision.attempts).toEqual([]);
  });

  test("the whole lineage of a delivered model stays, through what is gone already", () => {
    const facts = factsOf({ old: { ended: 90 }, data: { ended: 120 } });
    facts.artifacts.push(
      artifact("old", "delivery", { parents: ["old-model"] }),
      artifact("old", "model", { parents: ["data-packed"], gone: true }),
      artifact("data", "packed", { parents: ["data-corpus"] }),
      artifact("data", "corpus"),
      artifact("data", "checkpoint"),
      artifact("old", "samples"),
    );
    expect(going(facts)).toEqual(["data-checkpoint", "old-samples"]);
  });

  test("what is gone goes no second time", () => {
    const facts = factsOf({ old: { ended: 31 } });
    facts.artifacts.push(artifact("old", "model", { gone: true }));
    expect(going(facts)).toEqual([]);
  });
});
