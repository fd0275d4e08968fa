import {
  type ArtifactRow,
  type AttemptRow,
  type GateRow,
  type LeaseRow,
  mostPlaces,
  type NodeRow,
  type OpenRows,
  type RunRow,
  type ShardRow,
  type StageRow,
} from "../core/rows.ts";
import { type Database, Prisma } from "./database.ts";
import { reviveRow } from "./revive.ts";

/** What the reconciler decides from, and when it was read. */
export interface Snapshot extends OpenRows {
  /** The database's clock. */
  now: Date;
}

/** Waiting shards of a stage that are read at once: as many as the nodes could take, and so many more. */
const spare = 100;

/**
 * Reads what is to be decided from, in one statement and so as of one moment. What never changes of a run and a stage
 * (configuration, spec) is read once and kept.
 */
export class SnapshotReader {
  readonly #database: Database;
  readonly #cooldownMs: number;
  readonly #backoffLimitMs: number;
  #configs = new Map<string, unknown>();
  #specs = new Map<string, unknown>();

  /** @param backoffLimitMs one that is longer was set by another clock, and is over */
  constructor(database: Database, cooldownMs: number, backoffLimitMs: number) {
    this.#database = database;
    this.#cooldownMs = cooldownMs;
    this.#backoffLimitMs = backoffLimitMs;
  }

  /** What never changes of a run is read anew: somebody may have mended what it could not be decided by. */
  forget(run: string): void {
    this.#configs.delete(run);
    for (const id of this.#specs.keys()) if (id.startsWith(`${run}-`)) this.#specs.delete(id);
  }

  /** Undefined when no run has anything left to do. */
  async read(): Promise<Snapshot | undefined> {
    const known = { runs: [...this.#configs.keys()], stages: [...this.#specs.keys()] };
    const [row] = await this.#database.$queryRaw<{ snapshot: Told | null }[]>(
      statement(this.#cooldownMs, this.#backoffLimitMs, known),
    );
    const told = row?.snapshot;
    if (!told) return undefined;
    this.#configs = kept(told.runs, this.#configs, "config");
    this.#specs = kept(told.stages, this.#specs, "spec");
    return {
      now: new Date(told.now),
      runs: told.runs.map((run) => ({ ...run, config: this.#configs.get(run.id) })),
      stages: told.stages.map((stage) => ({
        ...reviveRow<StageRow>(stage),
        spec: this.#specs.get(stage.id),
      })),
      shards: told.shards.map(reviveRow<ShardRow>),
      tallies: told.tallies,
      nextTryAt: told.nextTryAt === null ? null : new Date(told.nextTryAt),
      attempts: told.attempts.map(reviveRow<AttemptRow>),
      artifacts: told.artifacts.map(reviveRow<ArtifactRow>),
      gates: told.gates.map(reviveRow<GateRow>),
      nodes: told.nodes.map(reviveRow<NodeRow>),
      leases: told.leases.map(reviveRow<LeaseRow>),
      faults: told.faults.map(reviveRow<OpenRows["faults"][number]>),
    };
  }
}

/** The snapshot as JSON: times are texts. */
interface Told {
  now: string;
  runs: RunRow[];
  stages: (object & { id: string; spec: unknown })[];
  shards: object[];
  tallies: OpenRows["tallies"];
  nextTryAt: string | null;
  attempts: object[];
  artifacts: object[];
  gates: object[];
  nodes: object[];
  leases: object[];
  faults: object[];
}

/** What was known stays; what is new was read along; what is no longer named is forgotten. */
function kept<Key extends string>(
  rows: readonly ({ id: string } & { [key in Key]: unknown })[],
  known: ReadonlyMap<string, unknown>,
  key: Key,
): Map<string, unknown> {
  return new Map(rows.map((row) => [row.id, row[key] ?? known.get(row.id)]));
}

/** Columns of `row` by the fields of what is read from them: a field that is read nowhere is one the types miss. */
function columns<Row>(row: string, fields: { readonly [Field in keyof Row]-?: true }): Prisma.Sql {
  return Prisma.raw(
    Object.keys(fields)
      .map((field) => `${row}."${field}"`)
      .join(", "),
  );
}

const stageColumns = columns<Omit<StageRow, "spec" | "result">>("st", {
  ...{ id: true, runId: true, name: true, kind: true, generation: true, position: true },
  ...{
    state: true,
    desired: true,
    codeHash: true,
    cacheKey: true,
    cachedFrom: true,
    waitsFor: true,
    fresh: true,
  },
  ...{
    startFrom: true,
    reason: true,
    cause: true,
    message: true,
    createdAt: true,
    startedAt: true,
    endedAt: true,
  },
});

const attemptColumns = columns<AttemptRow>("live", {
  ...{
    id: true,
    shardId: true,
    epoch: true,
    state: true,
    nodeId: true,
    engine: true,
    reason: true,
    cause: true,
  },
  ...{
    message: true,
    exitCode: true,
    signal: true,
    phase: true,
    phaseAt: true,
    step: true,
    of: true,
    unit: true,
  },
  ...{ stepAt: true, stepMs: true, result: true, resumeFrom: true, dispatchedAt: true, startedAt: true },
  ...{ heartbeatAt: true, leaseUntil: true, stopAt: true, stopReason: true, exitedAt: true, endedAt: true },
});

const nodeColumns = columns<NodeRow>("n", {
  ...{ id: true, engines: true, npus: true, slots: true, heartbeatAt: true },
});

function list(rows: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`(select coalesce(json_agg(r), '[]') from (${rows}) r)`;
}

/**
 * A stage is `closing` when nothing of it waits and every worker it had has left: only then may this look end it well,
 * and needs all its shards and outputs. Of results only the metrics are read, which gates are measured by: summaries of ten
 * thousand shards are large. A `source` is a stage whose outputs this look may bind to a waiting stage: one that waits for a
 * stage that cannot end well in this look, or for a gate that is compared with such a one, is `held` and binds nothing.
 * Every join begins with what is open, so that an index leads to its rows however many have ended.
 */
function statement(
  cooldownMs: number,
  backoffLimitMs: number,
  known: { runs: string[]; stages: string[] },
): Prisma.Sql {
  return Prisma.sql`
with recursive clock as materialized (select clock_timestamp() as now),
runs as materialized (select distinct "runId" as id from "Stage" where "endedAt" is null),
stages as materialized (select st.* from "Stage" st join runs r on r.id = st."runId"),
live as materialized (select a.*, sh."stageId" from "Attempt" a join "Shard" sh on sh.id = a."shardId" where a."endedAt" is null),
tallies as materialized (
  select sh."stageId", sh.state, count(*)::int as count from "Shard" sh join stages st on st.id = sh."stageId"
   where st."endedAt" is null group by 1, 2),
closing as materialized (
  select st.id from stages st
   where st.state in ('READY', 'RUNNING')
     and not exists (select from tallies t where t."stageId" = st.id and t.state = 'PENDING')
     and not exists (select from live l where l."stageId" = st.id and l."exitedAt" is null)),
current as materialized (
  select distinct on ("runId", name) id, "runId", name, state, "cachedFrom",
         case jsonb_typeof(spec -> 'needs') when 'array' then spec -> 'needs' else '[]' end as needs,
         case jsonb_typeof(spec -> 'gates') when 'array' then spec -> 'gates' else '[]' end as gates
    from stages order by "runId", name, generation desc),
awaited as materialized (
  select w.id, w."runId", n.name from current w, jsonb_array_elements_text(w.needs) as n (name) where w.state = 'PENDING'
  union
  select w.id, w."runId", g.gate -> 'against' ->> 'stage'
    from current w join current n on n."runId" = w."runId" and w.needs ? n.name, jsonb_array_elements(n.gates) as g (gate)
   where w.state = 'PENDING' and jsonb_typeof(g.gate -> 'against') = 'object'
     and (select count(*) from "Gate" m where m."stageId" = n.id) < jsonb_array_length(n.gates)),
held as (
  select id, "runId", name from current where state in ('READY', 'RUNNING') and id not in (select id from closing)
  union
  select w.id, w."runId", w.name
    from held h join awaited a on a."runId" = h."runId" and a.name = h.name join current w on w.id = a.id),
sources as (
  select id from closing
  union
  select coalesce(st."cachedFrom", st.id)
    from awaited a join current st on st."runId" = a."runId" and st.name = a.name and st.state in ('SUCCEEDED', 'SKIPPED')
   where a.id not in (select id from held)),
shards as materialized (
  select sh.* from "Shard" sh where sh."stageId" in (select id from closing)
  union all
  select sh.* from stages st join "Shard" sh on sh."stageId" = st.id and sh.state = 'RUNNING'
   where st."endedAt" is null and st.id not in (select id from closing)
  union all
  select w.* from stages st cross join lateral (
    select * from "Shard" sh where sh."stageId" = st.id and sh.state = 'PENDING'
       and (sh."notBefore" is null or sh."notBefore" <= (select now from clock)
            or sh."notBefore" > (select now from clock) + make_interval(secs => ${backoffLimitMs / 1000}))
     order by sh.index limit (select ${spare}::int + coalesce(sum(least(greatest(slots, 0), ${mostPlaces}::int)
            + least(greatest(npus, 0), ${mostPlaces}::int)), 0) from "Node")) w
   where st."endedAt" is null and st.desired = 'RUN'),
artifacts as (
  select a.id from live l join "Artifact" a on a."attemptId" = l.id
  union
  select a.id
    from shards sh join stages st on st.id = sh."stageId" join stages made on made."runId" = st."runId" and made.name = st.name
    join "Artifact" a on a."stageId" = made.id and a.shard = sh.index and a.kind = 'checkpoint' and a."goneAt" is null
  union
  select a.id from sources s join "Artifact" a on a."stageId" = s.id and a.kind <> 'checkpoint'
  union
  select "startFrom" from stages where "startFrom" is not null)
select case when not exists (select from runs) then null else json_build_object(
'now', (select now from clock),
'runs', ${list(Prisma.sql`
  select r.id, r.priority, case when r.id = any(${known.runs}::text[]) then null else r.config end as config
    from "Run" r join runs using (id)`)},
'stages', ${list(Prisma.sql`
  select ${stageColumns}, case when st.id = any(${known.stages}::text[]) then null else st.spec end as spec,
         case when st.result is not null then jsonb_build_object('metrics', st.result -> 'metrics', 'summary', '{}'::jsonb) end
           as result
    from stages st order by st."runId", st.position`)},
'shards', ${list(Prisma.sql`select * from shards`)},
'tallies', ${list(Prisma.sql`select * from tallies`)},
'nextTryAt', (select min(sh."notBefore") from stages st join "Shard" sh on sh."stageId" = st.id
   where st."endedAt" is null and sh.state = 'PENDING' and sh."notBefore" > (select now from clock)),
'attempts', ${list(Prisma.sql`
select ${attemptColumns} from live`)},
'artifacts', ${list(Prisma.sql`
  select a.* from "Artifact" a join artifacts using (id) where a."goneAt" is null order by a.shard, a."committedAt"`)},
'gates', ${list(Prisma.sql`select g.* from "Gate" g join stages st on st.id = g."stageId"`)},
'nodes', ${list(Prisma.sql`select ${nodeColumns} from "Node" n order by id`)},
'leases', ${list(Prisma.sql`select * from "Lease"`)},
'faults', ${list(Prisma.sql`
  select "nodeId", "endedAt" from "Attempt"
   where cause in ('NODE', 'NPU') and "nodeId" is not null
     and "endedAt" > (select now from clock) - make_interval(secs => ${cooldownMs / 1000})`)}
) end as snapshot`;
}
