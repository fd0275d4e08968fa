import { LegaloneError } from "../../core/errors.ts";
import type { PrismaClient, Quarantine, Run } from "../generated/client.ts";
import { currentStages, type StageRow } from "./stages.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** A run, its stages of the current generation in order, and what they add up to. */
export interface RunDetail {
  run: Run;
  stages: StageRow[];
  verdict: Verdict;
  /** Since when and why nothing can be decided about it now; null as it should be. */
  quarantine: Omit<Quarantine, "id"> | null;
}

/** The newest runs first, each with its stages of the current generation, of wide ones only some shards. */
export async function listRuns(db: PrismaClient, limit = 20): Promise<RunDetail[]> {
  const runs = await db.run.findMany({
    orderBy: { createdAt: "desc" },
    take: limit,
    include: { quarantine: true },
  });
  const stages = await currentStages(
    db,
    runs.map((run) => run.id),
  );
  return runs.map((run) => detail(run, stages.get(run.id) ?? []));
}

/**
 * @param all reads every shard and output of stages in very many too (currentStages)
 * @throws E_NOT_FOUND when the run has been removed since its id was resolved.
 */
export async function readRun(
  db: PrismaClient,
  id: string,
  { all = false }: { all?: boolean } = {},
): Promise<RunDetail> {
  const run = await db.run.findUnique({ where: { id }, include: { quarantine: true } });
  if (run === null) throw new LegaloneError("E_NOT_FOUND", `No run ${id}.`, { hint: "legalone status" });
  const stages = await currentStages(db, [id], { all });
  return detail(run, stages.get(id) ?? []);
}

function detail(
  { quarantine, ...run }: Run & { quarantine: Quarantine | null },
  stages: StageRow[],
): RunDetail {
  return { run, stages, verdict: verdictOf(run, stages), quarantine };
}

/**
 * The id of the run that `name` means: a whole id, a unique beginning of one, or the newest run when it is `latest` or absent.
 * @throws E_USAGE for an empty name; E_NOT_FOUND with the nearest ids when nothing, or more than one run, begins with `name`.
 */
export async function resolveRunId(db: PrismaClient, name: string | undefined): Promise<string> {
  // An unset variable of a script: as a beginning it would mean every run, and the only one where there is one.
  if (name?.trim() === "")
    throw new LegaloneError(
      "E_USAGE",
      "the name of the run is empty, expected an id, a beginning of one, or latest",
      {
        hint: "legalone status lists the runs.",
      },
    );
  if (name === undefined || name === "latest") {
    const latest = await db.run.findFirst({ orderBy: { createdAt: "desc" }, select: { id: true } });
    if (latest !== null) return latest.id;
    throw new LegaloneError("E_NOT_FOUND", "There is no run yet.", {
      hint: "legalone train pipelines/demo.yaml",
    });
  }
  const matches = await db.run.findMany({
    where: { id: { startsWith: name } },
    orderBy: { createdAt: "desc" },
    take: 6,
    select: { id: true },
  });
  const exact = matches.find((run) => run.id === name);
  if (exact !== undefined) return exact.id;
  if (matches.length === 1) return matches[0]!.id;
  if (matches.length > 1) {
    const ids = matches.map((run) => run.id);
    throw new LegaloneError("E_NOT_FOUND", `More than one run begins with ${name}: ${ids.join(", ")}.`, {
      hint: "Give more characters of the id.",
      fields: { near: ids },
    });
  }
  const near = await nearRunIds(db, name);
  throw new LegaloneError("E_NOT_FOUND", `No run ${name}.`, {
    hint:
      near.length > 0
        ? `Did you mean ${near.join(" or ")}? legalone status lists the runs.`
        : "legalone status",
    fields: { near },
  });
}

async function nearRunIds(db: PrismaClient, name: string): Promise<string[]> {
  const { distance } = await import("fastest-levenshtein");
  const runs = await db.run.findMany({ orderBy: { createdAt: "desc" }, take: 200, select: { id: true } });
  return runs
    .map((run) => ({ id: run.id, far: distance(name, run.id.slice(0, Math.max(name.length, 4))) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map((run) => run.id);
}
