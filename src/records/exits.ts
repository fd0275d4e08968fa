import type { WorkerResult } from "../core/rows.ts";
import type { Database } from "./database.ts";
import { writeHappenings } from "./happenings.ts";
import { readLiveAttempt, whileItMoves } from "./ingest.ts";

/** What an agent says when a worker is gone: a code or a signal, or neither, which is LOST. */
export interface Exit {
  epoch: number;
  code: number | null;
  signal: string | null;
  lost: boolean;
  /** A reason the agent knows better than the exit code. */
  reason?: string | undefined;
  message?: string | undefined;
}

/**
 * Records that the process of an attempt is gone. What that means is for the reconciler to decide.
 * @returns false, with nothing changed, when the epoch is stale or the attempt has ended; true again for a repeat
 */
export async function recordExit(database: Database, attempt: string, exit: Exit): Promise<boolean> {
  return whileItMoves(async () => {
    const row = await readLiveAttempt(database, attempt, exit.epoch);
    if (!row) return false;
    if (row.exitedAt) return true;
    await writeHappenings(database, [
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
              ...toldBy(exit),
            },
          },
        ],
      },
    ]);
    return true;
  });
}

function toldBy({ reason, message }: Exit): { result?: WorkerResult } {
  if (reason === undefined) return {};
  return { result: { status: "failed", reason, ...(message === undefined ? {} : { message }) } };
}
