import { type ArtifactRow, type InputArtifact, newestOfShard } from "../core/rows.ts";
import type { Writer } from "./database.ts";
import { reviveRow } from "./revive.ts";

/**
 * The committed artifacts of a stage's inputs, in bound order, shards in order. A needed stage means its newest
 * generation; one that was SKIPPED hands on those of the stage it was cached from.
 */
export async function inputArtifacts(writer: Writer, stageId: string): Promise<InputArtifact[]> {
  const rows = await writer.$queryRaw<{ place: bigint; kind: string; stage: string; artifact: object }[]>`
    with stage as (select * from "Stage" where id = ${stageId}),
    bound as (
      select i.place, i.input ->> 'kind' as kind, i.input ->> 'stage' as stage
        from stage, jsonb_array_elements(case jsonb_typeof(stage.spec -> 'inputs') when 'array' then stage.spec -> 'inputs' else '[]' end) with ordinality as i (input, place)
       where i.input ->> 'stage' is not null),
    sources as (
      select distinct on (s.name) s.name, coalesce(s."cachedFrom", s.id) as id
        from "Stage" s join stage on stage."runId" = s."runId"
       where s.name in (select bound.stage from bound) order by s.name, s.generation desc)
    select bound.place, bound.kind, bound.stage, to_json(a) as artifact
      from bound join sources on sources.name = bound.stage
      join "Artifact" a on a."stageId" = sources.id and a.kind = bound.kind
     order by bound.place, a.shard, a."committedAt"`;
  const places = new Map<bigint, InputArtifact[]>();
  for (const { place, artifact, ...bound } of rows) {
    const input = { ...bound, artifact: reviveRow<ArtifactRow>(artifact) };
    places.set(place, [...(places.get(place) ?? []), input]);
  }
  return [...places.values()].flatMap((inputs) => {
    const { kind, stage } = inputs[0]!;
    return newestOfShard(inputs.map(({ artifact }) => artifact)).map((artifact) => ({
      kind,
      stage,
      artifact,
    }));
  });
}
