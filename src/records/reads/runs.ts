import { LegaloneError } from "../../core/errors.ts";
import { quoted } from "../../core/text.ts";
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

/** Which runs a list is of. */
export interface RunFilter {
  pipeline?: string;
  /** All of them. */
  tags?: string[];
}

/** The newest runs first, each with its stages of the current generation, of wide ones only some shards. */
export async function listRuns(
  db: PrismaClient,
  limit = 20,
  { pipeline, tags = [] }: RunFilter = {},
): Promise<RunDetail[]> {
  const runs = await db.run.findMany({
    where: { ...(pipeline === undefined ? {} : { pipeline }), tags: { hasEvery: tags } },
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
  if (run === null)
    throw new LegaloneError("E_NOT_FOUND", `no run has the id ${id}`, {
      hint: "legalone status lists the runs.",
    });
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
 * The id of the run that `name` means: a whole id, the name of one run, a unique beginning of an id, or the newest run
 * when it is `latest` or absent.
 * @throws E_USAGE for an empty name; E_NOT_FOUND with the nearest ids when it means nothing, or more than one run.
 */
export async function resolveRunId(db: PrismaClient, name: string | undefined): Promise<string> {
  // An unset variable of a script: as a beginning it would mean every run, and the only one where there is one.
  if (name?.trim() === "")
    throw new LegaloneError(
      "E_USAGE",
      "the name of the run is empty, expected a name, an id, a beginning of one, or latest",
      {
        hint: "legalone status lists the runs.",
      },
    );
  if (name === undefined || name === "latest") {
    const latest = await db.run.findFirst({ orderBy: { createdAt: "desc" }, select: { id: true } });
    if (latest !== null) return latest.id;
    throw new LegaloneError("E_NOT_FOUND", "there is no run yet", {
      hint: "legalone train pipelines/demo.yaml",
    });
  }
  // As LIKE reads them these mean any character: `cancel _` is no beginning of an id.
  const begins = /[%_\\]/.test(name) ? [] : [{ id: { startsWith: name } }];
  const matches = await db.run.findMany({
    where: { OR: [{ name }, ...begins] },
    orderBy: { createdAt: "desc" },
    take: 6,
    select: { id: true, name: true },
  });
  const exact = matches.find((run) => run.id === name);
  if (exact !== undefined) return exact.id;
  if (matches.length === 1) return matches[0]!.id;
  if (matches.length > 1) {
    const ids = matches.map((run) => run.id);
    const named = matches.filter((run) => run.name === name).length;
    const how = named === 0 ? "begins with" : named === ids.length ? "is called" : "is called or begins with";
    throw new LegaloneError(
      "E_NOT_FOUND",
      `more than one run ${how} ${quoted(name)}: ${ids.slice(0, 5).join(", ")}${ids.length > 5 ? ", …" : ""}`,
      {
        hint:
          named > 0
            ? "Give the id, or another name: legalone label ID --name NAME"
            : "Give more characters of the id.",
        fields: { near: ids },
      },
    );
  }
  throw await noRun(db, name);
}

/** What was given in place of a run, when that can be told, or the run whose id is nearest to it. */
async function noRun(db: PrismaClient, name: string): Promise<LegaloneError> {
  const refused = (hint: string, near: string[] = []) =>
    new LegaloneError("E_NOT_FOUND", `no run has the id or name ${quoted(name)}`, { hint, fields: { near } });
  const [, run] = /^(r\w{9})-.*-g\d/.exec(name) ?? [];
  if (run !== undefined && (await db.run.count({ where: { id: run } })) > 0)
    return refused(`This is the id of a stage or attempt of run ${run}: legalone status ${run}`, [run]);
  if (/^[0-9a-f]{12,64}$/.test(name))
    return refused(`Is it the hash of an artifact? legalone verify --artifact ${name}`);
  const newest = { orderBy: { createdAt: "desc" }, select: { id: true } } as const;
  const named = await db.run.findFirst({
    where: { OR: [{ pipeline: name }, { file: name }, { idempotencyKey: name }] },
    ...newest,
  });
  if (named !== null)
    return refused(`A run has this pipeline, file or key: legalone status ${named.id}`, [named.id]);
  const staged = await db.stage.findFirst({
    where: { name },
    orderBy: { createdAt: "desc" },
    select: { runId: true },
  });
  if (staged !== null)
    return refused(`A stage has this name: name its run first, such as ${staged.runId} ${name}`, [
      staged.runId,
    ]);
  const near = await nearRunIds(db, name);
  if (near.length === 0) return refused("legalone status lists the runs.");
  return refused(`Did you mean ${near.join(" or ")}? legalone status lists the runs.`, near);
}

/** Names nearly like `name`, and ids that begin nearly as it does: at most two characters of it are others. */
async function nearRunIds(db: PrismaClient, name: string): Promise<string[]> {
  if (name.length < 3 || name.length > 20) return [];
  const { distance } = await import("fastest-levenshtein");
  const runs = await db.run.findMany({
    orderBy: { createdAt: "desc" },
    take: 200,
    select: { id: true, name: true },
  });
  const named = runs.flatMap((run) => (run.name !== null && distance(name, run.name) <= 2 ? [run.name] : []));
  const begin = runs
    .map(({ id }) => ({ id, far: distance(name, id.slice(0, Math.max(name.length, 4))) }))
    .filter(
      ({ id, far }) => id.startsWith(name.slice(0, 3)) || far <= Math.max(2, Math.floor(name.length / 2)),
    )
    .sort((a, b) => a.far - b.far)
    .map(({ id }) => id);
  return [...new Set([...named, ...begin])].slice(0, 3);
}
