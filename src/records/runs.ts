import { LegaloneError } from "../core/errors.ts";
import { newRunId } from "../core/ids.ts";
import { stagesUntil } from "../core/scope.ts";
import { type Database, databaseError, databaseNow, type Writer } from "./database.ts";
import { addBells, isUniqueConflict, toJson, writeHappenings } from "./happenings.ts";
import { newStageRows } from "./new-stage.ts";

/** A stage of a new run. `spec` is the resolved stage, kept as JSON. */
export interface NewStage {
  name: string;
  kind: string;
  /** Place in the topological order. */
  position: number;
  shards: number;
  codeHash: string;
  /** Names of stages. */
  needs: string[];
  spec: object;
  /** Takes nothing from the cache. */
  fresh?: boolean;
  /** Checkpoint of another run to go on from. */
  startFrom?: string | null;
}

export interface NewRun {
  pipeline: string;
  file: string;
  /** The resolved pipeline. */
  config: object;
  /** The text of the pipeline file. */
  written: string;
  configHash: string;
  idempotencyKey?: string;
  /** Last stage to run: it and what it needs; the others are recorded as CANCELLED (not_requested). */
  until?: string;
  /** First stage to run: it and what follows take nothing from the cache. */
  from?: string;
  /** Runs of a higher number get free places first; 0 when left out. */
  priority?: number;
  /** What people call it. */
  name?: string;
  tags?: string[];
  note?: string;
  /** The run it is a fork of. */
  forkedFrom?: string;
  createdBy: string;
  /** The commit of the code it was submitted with. */
  commit?: string;
  stages: NewStage[];
}

/** A busy disk takes its time for a hundred thousand shards. */
const submitMs = 60_000;

/**
 * Inserts a run with its stages and shards in one transaction. A known idempotency key with the same configuration
 * attaches to that run instead.
 * @throws LegaloneError E_CONFLICT when the key stands for another configuration; E_USAGE for an unknown `until`;
 * E_DATABASE
 */
export async function submitRun(
  database: Database,
  run: NewRun,
): Promise<{ run: string; attached: boolean }> {
  try {
    const known = await knownRun(database, run);
    if (known) return { run: known, attached: true };
    const id = newRunId();
    await database.$transaction((writer) => insertRun(writer, id, run), { timeout: submitMs });
    return { run: id, attached: false };
  } catch (error) {
    // Another submit with the same key was faster: it is the one to attach to.
    if (run.idempotencyKey !== undefined && isUniqueConflict(error)) {
      const known = await knownRun(database, run);
      if (known) return { run: known, attached: true };
    }
    throw databaseError(error);
  }
}

/** Whether a run has been submitted with this idempotency key. */
export async function isKeyKnown(database: Database, idempotencyKey: string): Promise<boolean> {
  return (await database.run.count({ where: { idempotencyKey } })) > 0;
}

async function knownRun(database: Database, run: NewRun): Promise<string | undefined> {
  if (run.idempotencyKey === undefined) return undefined;
  const found = await database.run.findUnique({ where: { idempotencyKey: run.idempotencyKey } });
  if (!found) return undefined;
  const other = differenceOf(found, run);
  if (other === null) return found.id;
  throw new LegaloneError(
    "E_CONFLICT",
    `the idempotency key ${JSON.stringify(run.idempotencyKey)} belongs to run ${found.id}, which has ${other}`,
    { hint: "use another key, or submit the same file with the same settings", fields: { run: found.id } },
  );
}

/** What keeps two submits with one key from being the same. Priority and labels do not: they are how soon and what it is called, not what. */
function differenceOf(
  found: { configHash: string; until: string | null; from: string | null; forkedFrom: string | null },
  run: NewRun,
): string | null {
  if (found.configHash !== run.configHash) return "another configuration";
  if (found.until !== (run.until ?? null)) return `another --until (${found.until ?? "none"})`;
  if (found.from !== (run.from ?? null)) return `another --from (${found.from ?? "none"})`;
  return found.forkedFrom === (run.forkedFrom ?? null) ? null : "another ancestor";
}

async function insertRun(writer: Writer, id: string, run: NewRun): Promise<void> {
  const now = await databaseNow(writer);
  const wanted = stagesUntil(run.stages, run.until);
  await writer.run.create({
    data: {
      id,
      pipeline: run.pipeline,
      file: run.file,
      config: toJson(run.config),
      written: run.written,
      configHash: run.configHash,
      idempotencyKey: run.idempotencyKey ?? null,
      until: run.until ?? null,
      from: run.from ?? null,
      priority: run.priority ?? 0,
      name: run.name ?? null,
      tags: run.tags ?? [],
      note: run.note ?? null,
      forkedFrom: run.forkedFrom ?? null,
      createdBy: run.createdBy,
      createdAt: now,
    },
  });
  const changes = run.stages.flatMap((stage) =>
    newStageRows(id, { ...stage, generation: 1 }, now, wanted.has(stage.name)),
  );
  const { pipeline, configHash, createdBy, from, until, priority, forkedFrom } = run;
  const { commit, name, tags, note } = run;
  const data = {
    ...{ pipeline, configHash, createdBy, from, until, priority, forkedFrom, commit },
    ...{ name, tags, note },
  };
  await writeHappenings(writer, [{ runId: id, type: "run.submitted", data, changes }]);
  await addBells(writer, [{ topic: "reconcile", key: `submit-${id}` }]);
}
