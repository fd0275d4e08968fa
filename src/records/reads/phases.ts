import type { PrismaClient } from "../generated/client.ts";

/**
 * What each of these attempts says it does in its phase, by attempt: the text of its newest `phase` line. One that says
 * nothing beyond the phase is left out.
 */
export async function phaseTexts(
  db: PrismaClient,
  attempts: readonly { id: string; stageId: string }[],
): Promise<Map<string, string>> {
  if (attempts.length === 0) return new Map();
  // Backwards over the events of the stage: a phase of each attempt is never far from the end.
  const rows = await db.$queryRaw<{ id: string; detail: unknown }[]>`
    select a.id, e.data -> 'detail' as detail
      from unnest(${attempts.map(({ id }) => id)}::text[], ${attempts.map(({ stageId }) => stageId)}::text[]) as a (id, "stageId")
      cross join lateral (
        select data from "Event"
         where "stageId" = a."stageId" and "attemptId" = a.id and type = 'worker.phase'
         order by id desc limit 1) e`;
  return new Map(
    rows.flatMap(({ id, detail }) =>
      typeof detail === "string" && detail !== "" ? [[id, detail] as const] : [],
    ),
  );
}
