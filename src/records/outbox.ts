import type { Database } from "./database.ts";

/**
 * Rings the bells of the outbox that were not rung yet, oldest first, and marks them. A bell that could not be rung
 * stays for the next time; several relays may run at once.
 * @returns how many were rung
 */
export async function relayOutbox(
  database: Database,
  ring: (topic: string, key: string) => Promise<boolean>,
  limit = 100,
): Promise<number> {
  return database.$transaction(async (writer) => {
    const rows = await writer.$queryRaw<{ id: bigint; topic: string; key: string }[]>`
      select id, topic, key from "Outbox" where "publishedAt" is null
       order by id limit ${limit} for update skip locked`;
    const rung: bigint[] = [];
    for (const { id, topic, key } of rows) {
      if (!(await ring(topic, key))) break;
      rung.push(id);
    }
    if (rung.length > 0) {
      await writer.outbox.updateMany({ where: { id: { in: rung } }, data: { publishedAt: new Date() } });
    }
    return rung.length;
  });
}

/** Forgets bells older than `ageMs`: the reconciler and the agents have looked since, rung or not. */
export async function sweepOutbox(database: Database, ageMs: number): Promise<void> {
  await database.$executeRaw`
    delete from "Outbox" where "createdAt" < now() - make_interval(secs => ${ageMs / 1000})`;
}
