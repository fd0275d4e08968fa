import { LegaloneError } from "../core/errors.ts";
import { type Database, databaseError, databaseNow } from "./database.ts";
import { addBells, writeHappenings } from "./happenings.ts";

/**
 * Changes how soon the stages of a run get free slots and NPUs; what runs already is not touched.
 * @returns the priority it had
 * @throws LegaloneError E_NOT_FOUND, E_DATABASE
 */
export async function setPriority(
  database: Database,
  run: string,
  priority: number,
  by: string,
): Promise<number> {
  try {
    return await database.$transaction(async (writer) => {
      const [found] = await writer.$queryRaw<{ priority: number }[]>`
        select priority from "Run" where id = ${run} for update`;
      if (!found) throw new LegaloneError("E_NOT_FOUND", `no run ${run}`, { hint: "legalone status" });
      if (found.priority === priority) return found.priority;
      await writer.run.update({ where: { id: run }, data: { priority } });
      const data = { priority, before: found.priority, by };
      await writeHappenings(writer, [{ runId: run, type: "run.priority", data, changes: [] }]);
      const now = await databaseNow(writer);
      await addBells(writer, [{ topic: "reconcile", key: `priority-${run}-${now.getTime()}` }]);
      return found.priority;
    });
  } catch (error) {
    throw databaseError(error);
  }
}
