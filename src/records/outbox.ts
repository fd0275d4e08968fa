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
  // Mostly there is none: a look that costs nothing.
  const [any] = await database.$queryRaw<object[]>`select from "Outbox" where "publishedAt" is null limit 1`;
  if (!any) return 0;
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

/**
 * Rings bells that were just put into the outbox, at once and side by side, and marks those that rang; the relay rings the
 * others again.
 */
export async function ringNow(
  database: Database,
  bells: readonly { topic: string; key: string }[],
  ring: (topic: string, key: string) => Promise<boolean>,
): Promise<void> {
  const rung = await Promise.all(bells.map(({ topic, key }) => ring(topic, key)));
  const done = bells.filter((_, i) => rung[i]);
  if (done.length === 0) return;
  const [topics, keys] = [done.map(({ topic }) => topic), done.map(({ key }) => key)];
  await database.$executeRaw`
    update "Outbox" o set "publishedAt" = clock_timestamp() from unnest(${topics}::text[], ${keys}::text[]) as b (topic, key)
     where o.topic = b.topic and o.key = b.key and o."publishedAt" is null`;
}

/** Forgets bells older than `ageMs`: the reconciler and the agents have looked since, rung or not. */
export async function sweepOutbox(database: Database, ageMs: number): Promise<void> {
  await database.$executeRaw`
    delete from "Outbox" where "createdAt" < now() - make_interval(secs => ${ageMs / 1000})`;
}
