import type { Change } from "../core/changes.ts";
import type { WorkerResult } from "../core/rows.ts";
import type { Database } from "./database.ts";
import { writeHappenings } from "./happenings.ts";
import { fenced, type LiveAttempt, readLiveAttempt, whileItMoves } from "./ingest.ts";

/** What an agent says when a worker is gone: a code or a signal, or neither, which is LOST. */
export interface Exit {
  /** The agent's; left out by those that name none. */
  instance?: string | null | undefined;
  epoch: number;
  code: number | null;
  signal: string | null;
  lost: boolean;
  /** A reason the agent knows better than the exit code. */
  reason?: string | undefined;
  message?: string | undefined;
  /** Somebody at the node asked it to stop. */
  asked?: boolean | undefined;
}

/**
 * Records that the process of an attempt is gone, and with it what it held of its node: others get that, whatever becomes of
 * its run. What else it means is for the reconciler to decide.
 * @returns false, with nothing changed, when the epoch is stale or the attempt has ended; true again for a repeat
 * @throws LegaloneError E_NODE_TAKEN
 */
export async function recordExit(database: Database, attempt: string, exit: Exit): Promise<boolean> {
  return whileItMoves(async () => {
    const row = fenced(await readLiveAttempt(database, attempt, exit.epoch), exit.instance);
    return row !== undefined && write(database, row, exit, row.holder);
  });
}

/** Serve's own word, whoever holds the node's name: of an attempt that no agent has, or that cannot be begun. */
export async function recordOwnExit(
  database: Database,
  attempt: string,
  exit: Omit<Exit, "instance">,
): Promise<void> {
  await whileItMoves(async () => {
    const row = await readLiveAttempt(database, attempt, exit.epoch);
    if (row) await write(database, row, exit, row.instance);
  });
}

async function write(
  database: Database,
  row: LiveAttempt,
  exit: Exit,
  instance: string | null,
): Promise<boolean> {
  if (row.exitedAt) return true;
  const guard = { epoch: row.epoch, instance: row.instance };
  const leases = await database.lease.findMany({ where: { attemptId: row.id }, select: { id: true } });
  await writeHappenings(
    database,
    [
      {
        runId: row.runId,
        stageId: row.stageId,
        attemptId: row.id,
        type: "attempt.exited",
        data: { code: exit.code, signal: exit.signal, lost: exit.lost },
        changes: [
          {
            table: "Attempt",
            id: row.id,
            expect: { epoch: row.epoch, exitedAt: null, endedAt: null },
            set: {
              exitedAt: row.now,
              exitCode: exit.lost ? null : exit.code,
              signal: exit.lost ? null : exit.signal,
              ...(exit.asked && row.stopReason === null ? { stopReason: "stopped" } : {}),
              ...toldBy(exit),
            },
          },
          ...leases.map(({ id }): Change => ({ table: "Lease", id, remove: true })),
        ],
      },
    ],
    { quiet: [{ table: "Attempt", id: row.id, expect: guard, set: { instance } }] },
  );
  return true;
}

function toldBy({ reason, message }: Exit): { result?: WorkerResult } {
  if (reason === undefined) return {};
  return { result: { status: "failed", reason, ...(message === undefined ? {} : { message }) } };
}
