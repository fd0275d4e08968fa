import type { PrismaClient } from "../generated/client.ts";

/**
 * What each of these attempts says it does in its phase, by attempt: the text of its newest `phase` line. One that says
 * nothing beyond the phase is left out.
 */
export async function phaseTexts(
  db: PrismaClient,
  attempts: readonly string[],
): Promise<Map<string, string>> {
  if (attempts.length === 0) return new Map();
  const rows = await db.$queryRaw<{ id: string; detail: unknown }[]>`
    select a.id, e.data -> 'detail' as detail
      from unnest(${attempts}::text[]) as a (id)
      cross join lateral (
        select data from "Event"
         where "attemptId" = a.id and type = 'worker.phase'
         order by id desc limit 1) e`;
  return new Map(
    rows.flatMap(({ id, detail }) =>
      typeof detail === "string" && detail !== "" ? [[id, detail] as const] : [],
    ),
  );
}
