import type { Happening } from "../core/changes.ts";
import { LegaloneError } from "../core/errors.ts";
import { type Database, databaseError } from "./database.ts";
import { addBells, writeHappenings } from "./happenings.ts";

/**
 * Asks every stage that has not ended to stop: `desired = STOP`. The workers save a checkpoint and leave; stages that
 * wait end at once.
 * @returns names of the stages asked
 * @throws LegaloneError E_NOT_FOUND, E_DATABASE
 */
export async function cancelRun(database: Database, run: string, by?: string): Promise<string[]> {
  try {
    return await database.$transaction(async (writer) => {
      if (!(await writer.run.findUnique({ where: { id: run }, select: { id: true } }))) {
        throw new LegaloneError("E_NOT_FOUND", `no run ${run}`, { hint: "legalone status" });
      }
      // Locked in one order, so that the reconciler's changes come wholly before or after.
      const open = await writer.$queryRaw<{ id: string; name: string }[]>`
        select id, name from "Stage" where "runId" = ${run} and "endedAt" is null and desired = 'RUN'
        order by id for update`;
      const happenings = open.map(
        ({ id }): Happening => ({
          runId: run,
          stageId: id,
          type: "stage.stop_requested",
          data: { by: by ?? null },
          changes: [{ table: "Stage", id, expect: { desired: "RUN" }, set: { desired: "STOP" } }],
        }),
      );
      await writeHappenings(writer, happenings);
      if (open.length > 0) await addBells(writer, [{ topic: "reconcile", key: `cancel-${open[0]!.id}` }]);
      return open.map(({ name }) => name);
    });
  } catch (error) {
    throw databaseError(error);
  }
}
