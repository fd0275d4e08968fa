import type pg from "pg";
import { newRunId, stageId } from "../../src/core/ids.ts";
import { runOf, type StageSketch } from "./pipelines.ts";

/**
 * Years of use, written straight into the tables: rows as the program leaves them, and the events that tell them. For tests
 * and `npm run bench:history`; replaying the log gives these rows too.
 */

/** A run that has ended: one stage `fan` in shards, each with one output; every tenth was lost once with its node. */
export interface EndedRun {
  shards: number;
  /** Changes of phase that each worker told. */
  phases?: number;
  /** Points of a curve. */
  metrics?: number;
  /** How long ago it began. */
  ageSeconds?: number;
}

const outputs = ["part"];

/** Writes an ended run. @returns its id */
export async function writeEndedRun(client: pg.ClientBase, run: EndedRun): Promise<string> {
  const { phases = 2, metrics = 0, ageSeconds = 86_400 } = run;
  const id = await writeRun(client, [{ name: "fan", shards: run.shards, outputs }], ageSeconds);
  const fan = stageId(id, "fan", 1);
  await writeFan(client, fan, { phases, metrics, lost: true });
  await client.query("select pg_temp.history_told($1, $2)", [id, [fan]]);
  return id;
}

/**
 * Writes a run that goes on: `fan` has ended well in so many shards, and `join` waits for its outputs and for those of
 * `slow`, which has a live attempt on `node`.
 * @returns its id
 */
export async function writeWaitingRun(
  client: pg.ClientBase,
  { shards, node, more = [] }: { shards: number; node: string; more?: StageSketch[] },
): Promise<string> {
  const sketches = [
    { name: "fan", shards, outputs },
    { name: "slow" },
    { name: "join", needs: ["fan", "slow"] },
    ...more,
  ];
  const id = await writeRun(client, sketches, 3600);
  const [fan, slow] = [stageId(id, "fan", 1), stageId(id, "slow", 1)];
  await writeFan(client, fan, { phases: 2, metrics: 0, lost: false });
  await writeLive(client, slow, node);
  await client.query("select pg_temp.history_told($1, $2)", [id, [fan, slow]]);
  return id;
}

async function writeRun(client: pg.ClientBase, sketches: StageSketch[], ageSeconds: number): Promise<string> {
  await client.query(functions);
  const run = runOf(sketches);
  const id = newRunId();
  const stages = run.stages.map((stage) => ({ ...stage, id: stageId(id, stage.name, 1) }));
  await client.query(
    `insert into "Run" (id, pipeline, file, config, written, "configHash", "createdBy", "createdAt")
     values ($1, $2, $3, $4, $5, $6, 'history', date_trunc('milliseconds', now()) - make_interval(secs => $7))`,
    [id, run.pipeline, run.file, JSON.stringify(run.config), run.written, run.configHash, ageSeconds],
  );
  await client.query(
    `insert into "Stage" (id, "runId", name, kind, position, spec, "codeHash", "createdAt")
     select s.id, r.id, s.name, s.kind, s.position, s.spec, s."codeHash", r."createdAt"
       from "Run" r, jsonb_to_recordset($2) as s (id text, name text, kind text, position int, spec jsonb, "codeHash" text)
      where r.id = $1`,
    [id, JSON.stringify(stages)],
  );
  await client.query(
    `insert into "Shard" (id, "stageId", index)
     select st.id || '-s' || n, st.id, n from "Stage" st, generate_series(0, (st.spec ->> 'shards')::int - 1) as n
      where st."runId" = $1`,
    [id],
  );
  return id;
}

/** All shards of a stage have ended well, at latest an hour after its run began. */
async function writeFan(
  client: pg.ClientBase,
  stage: string,
  { phases, metrics, lost }: { phases: number; metrics: number; lost: boolean },
): Promise<void> {
  const write = (text: string, ...more: unknown[]) => client.query(text, [stage, ...more]);
  const again = lost ? "case when sh.index % 10 = 9 then 2 else 1 end" : "1";
  const begun = `st."createdAt" + make_interval(secs => 1 + 3000.0 * sh.index / (st.spec ->> 'shards')::int)`;
  await write(`
    update "Shard" sh set state = 'SUCCEEDED', epoch = ${again}, "infraUsed" = ${again} - 1,
      result = jsonb_build_object('metrics', jsonb_build_object('loss', 1.5), 'summary', '{}'::jsonb)
     where "stageId" = $1`);
  await write(`
    insert into "Attempt" (id, "shardId", epoch, state, "nodeId", engine, reason, cause, message, "exitCode", phase,
      "phaseAt", step, "of", unit, "stepAt", "stepMs", result, acknowledged, "dispatchedAt", "startedAt", "heartbeatAt",
      "leaseUntil", "exitedAt", "endedAt")
    select sh.id || '-e' || e, sh.id, e, (case when well then 'SUCCEEDED' else 'LOST' end)::"AttemptState",
           'n' || sh.index % 8, 'process', case when well then 'completed' else 'lost' end,
           case when not well then 'NODE' end, case when not well then 'not heard of since ' || t end,
           case when well then 0 end, 'saving', t + interval '9 s', 10, 10, 'step',
           t + interval '9 s', 900, case when well then jsonb_build_object('status', 'succeeded', 'metrics',
             jsonb_build_object('loss', 1.5)) end,
           4096, t, t + interval '1 s', t + interval '10 s', t + interval '100 s',
           case when well then t + interval '11 s' end, t + interval '12 s'
      from "Shard" sh join "Stage" st on st.id = sh."stageId", generate_series(1, sh.epoch) as e,
           lateral (select e = sh.epoch as well, date_trunc('milliseconds', ${begun}) + (e - 1) * interval '20 s' as t) as x
     where st.id = $1`);
  await write(`
    insert into "Artifact" (id, kind, sha256, uri, bytes, meta, parents, "runId", "stageId", "attemptId", shard, "committedAt")
    select a.id || '-part-' || left(hash, 12), 'part', hash, 'legalone://artifacts/' || hash, 1024, '{}', '{}', st."runId",
           st.id, a.id, sh.index, a."startedAt" + interval '9 s'
      from "Attempt" a join "Shard" sh on sh.id = a."shardId" join "Stage" st on st.id = sh."stageId",
           lateral (select encode(sha256(convert_to(a.id, 'utf8')), 'hex') as hash) as h
     where st.id = $1 and a.state = 'SUCCEEDED'`);
  await write(
    `insert into "Metric" ("attemptId", "stageId", name, step, value, at)
     select a.id, sh."stageId", 'loss', n, 2 - n / 1e6, a."startedAt"
       from "Attempt" a join "Shard" sh on sh.id = a."shardId", generate_series(1, $2::int) as n
      where sh."stageId" = $1 and a.state = 'SUCCEEDED' order by a.id, n`,
    metrics,
  );
  await write(`
    update "Stage" set state = 'SUCCEEDED', reason = 'completed', "cacheKey" = encode(sha256(convert_to(id, 'utf8')), 'hex'),
      result = jsonb_build_object('metrics', jsonb_build_object('loss', 1.5), 'summary', '{}'::jsonb),
      "startedAt" = "createdAt" + interval '1 s', "endedAt" = "createdAt" + interval '3500 s'
     where id = $1`);
  await write(phaseEvents, phases);
}

/** The one shard of a stage has a live attempt, whose node speaks for an hour still. */
async function writeLive(client: pg.ClientBase, stage: string, node: string): Promise<void> {
  const write = (text: string, ...more: unknown[]) => client.query(text, [stage, ...more]);
  await client.query(
    `insert into "Node" (id, address, engines, slots, info, "heartbeatAt")
     values ($1, '', '{process}', 2, '{}', now() + interval '1 h') on conflict (id) do nothing`,
    [node],
  );
  await write(`update "Shard" set state = 'RUNNING', epoch = 1 where "stageId" = $1`);
  await write(
    `insert into "Attempt" (id, "shardId", epoch, state, "nodeId", engine, "dispatchedAt", "startedAt", "heartbeatAt", "leaseUntil")
     select id || '-e1', id, 1, 'RUNNING', $2, 'process', t, t, t, t + interval '1 h'
       from "Shard", lateral (select date_trunc('milliseconds', now()) as t) as x where "stageId" = $1`,
    node,
  );
  await write(
    `insert into "Lease" (id, "nodeId", device, "attemptId", "createdAt")
     select a.id || '-d' || d, $2, d, a.id, a."dispatchedAt" from "Shard" sh join "Attempt" a on a."shardId" = sh.id,
       lateral (select least(0, min(device)) - 1 as d from "Lease" where "nodeId" = $2) as x where sh."stageId" = $1`,
    node,
  );
  await write(`
    update "Stage" set state = 'RUNNING', "cacheKey" = encode(sha256(convert_to(id, 'utf8')), 'hex'),
      "startedAt" = date_trunc('milliseconds', now()) where id = $1`);
}

/** Kept aside until the events of their run are told. */
const phaseEvents =
  "insert into history_phases values ($1, $2::int) on conflict (stage) do update set phases = excluded.phases";

/**
 * `history_told` writes the events of a run: its submit, and all that its stages and attempts went through, in order. A row's
 * columns at each moment are those it has now, without what came later.
 */
const functions = `
create temp table if not exists history_phases (stage text primary key, phases int);
create or replace function pg_temp.history_told(run text, begun text[]) returns void language sql as $$
insert into "Event" ("runId", "stageId", "attemptId", at, type, data)
select run, stage, attempt, at, type, data from (
  select 0 as part, 0 as shard, 0 as epoch, 0 as n, null as stage, null as attempt, r."createdAt" as at,
         'run.submitted' as type,
         jsonb_build_object('pipeline', r.pipeline, 'configHash', r."configHash", 'createdBy', r."createdBy", 'changes',
           (select jsonb_agg(jsonb_build_object('table', 'Stage', 'insert', to_jsonb(st) - 'spec' || jsonb_build_object(
                     'state', 'PENDING', 'reason', null, 'result', null, 'cacheKey', null, 'startedAt', null, 'endedAt', null))
                   order by st.position) from "Stage" st where st."runId" = run)
           || (select jsonb_agg(jsonb_build_object('table', 'Shard', 'fill', jsonb_build_object(
                     'stageId', st.id, 'count', (st.spec ->> 'shards')::int, 'state', 'PENDING')) order by st.position)
                 from "Stage" st where st."runId" = run)) as data
    from "Run" r where r.id = run
  union all
  select st.position * 3 + 1, 0, 0, 0, st.id, null, st."createdAt", 'stage.ready',
         jsonb_build_object('cacheKey', st."cacheKey", 'changes', jsonb_build_array(jsonb_build_object(
           'table', 'Stage', 'id', st.id, 'expect', jsonb_build_object('state', 'PENDING', 'desired', 'RUN'),
           'set', jsonb_build_object('state', 'READY', 'cacheKey', st."cacheKey"))))
    from "Stage" st where st.id = any(begun)
  union all
  select st.position * 3 + 2, sh.index, a.epoch, told.n, st.id, a.id, told.at, told.type, told.data
    from "Stage" st join "Shard" sh on sh."stageId" = st.id join "Attempt" a on a."shardId" = sh.id
    left join "Lease" l on l."attemptId" = a.id left join history_phases h on h.stage = st.id,
    lateral (
      select 1 as n, a."dispatchedAt" as at, 'attempt.opened' as type, jsonb_build_object(
        'node', a."nodeId", 'devices', jsonb_build_array(coalesce(l.device, -1)), 'resumeStep', null, 'changes', jsonb_build_array(
          jsonb_build_object('table', 'Shard', 'id', sh.id,
            'expect', jsonb_build_object('epoch', a.epoch - 1, 'state', 'PENDING'),
            'set', jsonb_build_object('epoch', a.epoch, 'state', 'RUNNING', 'notBefore', null)),
          jsonb_build_object('table', 'Attempt', 'insert', to_jsonb(a) - 'acknowledged' - 'instance' || '{"state": "DISPATCHING",
            "reason": null, "cause": null, "message": null, "exitCode": null, "signal": null, "phase": null, "phaseAt": null,
            "step": null, "of": null, "unit": null, "stepAt": null, "stepMs": null, "result": null, "startedAt": null,
            "heartbeatAt": null, "exitedAt": null, "endedAt": null}'::jsonb),
          jsonb_build_object('table', 'Lease', 'insert', jsonb_build_object('id', a.id || '-d' || coalesce(l.device, -1),
            'nodeId', a."nodeId", 'device', coalesce(l.device, -1), 'attemptId', a.id, 'createdAt', a."dispatchedAt")),
          jsonb_build_object('table', 'Stage', 'id', st.id,
            'expect', '{"state": ["READY", "RUNNING"], "desired": "RUN"}'::jsonb,
            'set', jsonb_build_object('state', 'RUNNING', 'startedAt', st."startedAt")))) as data
      union all
      select 2, a."startedAt", 'attempt.running', jsonb_build_object('changes', jsonb_build_array(jsonb_build_object(
        'table', 'Attempt', 'id', a.id, 'expect', '{"state": "DISPATCHING"}'::jsonb,
        'set', jsonb_build_object('state', 'RUNNING', 'startedAt', a."startedAt"))))
      union all
      select 3, a."startedAt", 'worker.started', jsonb_build_object('at', a."startedAt", 'attempt', a.id, 'epoch', a.epoch, 'pid', 1)
      union all
      select 3 + p, a."startedAt" + p * interval '1 ms', 'worker.phase', jsonb_build_object('at', a."phaseAt", 'phase', phase,
          'changes', jsonb_build_array(jsonb_build_object('table', 'Attempt', 'id', a.id,
            'expect', jsonb_build_object('epoch', a.epoch), 'set', jsonb_build_object('phase', phase, 'phaseAt', a."phaseAt"))))
        from generate_series(1, h.phases) as p, lateral (select case when p % 2 = 0 then 'saving' else 'training' end as phase) as x
      union all
      select 1000000, f."committedAt", 'worker.artifact', jsonb_build_object('at', f."committedAt", 'kind', f.kind, 'path', 'part',
          'sha256', f.sha256, 'bytes', f.bytes,
          'changes', jsonb_build_array(jsonb_build_object('table', 'Artifact', 'insert', to_jsonb(f))))
        from "Artifact" f where f."attemptId" = a.id
      union all
      select 1000001, a."exitedAt", 'worker.result', jsonb_build_object('at', a."exitedAt", 'changes',
          jsonb_build_array(jsonb_build_object('table', 'Attempt', 'id', a.id,
            'expect', jsonb_build_object('epoch', a.epoch), 'set', jsonb_build_object('result', a.result)))) || a.result
       where a.result is not null
      union all
      select 1000002, a."exitedAt", 'attempt.exited', jsonb_build_object('code', a."exitCode", 'signal', null, 'lost', false, 'changes',
          jsonb_build_array(jsonb_build_object('table', 'Attempt', 'id', a.id,
            'expect', jsonb_build_object('epoch', a.epoch, 'exitedAt', null, 'endedAt', null),
            'set', jsonb_build_object('exitedAt', a."exitedAt", 'exitCode', a."exitCode", 'signal', null))))
       where a."exitedAt" is not null
      union all
      select 1000003, a."endedAt", 'attempt.ended', jsonb_build_object('state', a.state, 'reason', a.reason, 'cause', a.cause,
          'next', case when a.state = 'SUCCEEDED' then 'succeeded' else 'again' end, 'changes', jsonb_build_array(
            jsonb_build_object('table', 'Attempt', 'id', a.id,
              'expect', jsonb_build_object('epoch', a.epoch, 'state', 'RUNNING', 'leaseUntil', a."leaseUntil"),
              'set', jsonb_build_object('step', a.step, 'of', a."of", 'unit', a.unit, 'stepAt', a."stepAt", 'stepMs', a."stepMs",
                'phase', a.phase, 'phaseAt', a."phaseAt", 'heartbeatAt', a."heartbeatAt", 'leaseUntil', a."leaseUntil",
                'state', a.state, 'reason', a.reason, 'cause', a.cause, 'message', a.message, 'endedAt', a."endedAt")),
            jsonb_build_object('table', 'Lease', 'id', a.id || '-d-1', 'remove', true),
            jsonb_build_object('table', 'Shard', 'id', sh.id, 'expect', jsonb_build_object('epoch', a.epoch, 'state', 'RUNNING'),
              'set', case when a.state = 'SUCCEEDED' then jsonb_build_object('state', 'SUCCEEDED', 'result', sh.result)
                else jsonb_build_object('infraUsed', a.epoch, 'notBefore', a."endedAt", 'state', 'PENDING') end)))
       where a."endedAt" is not null) as told
   where st.id = any(begun)
  union all
  select st.position * 3 + 3, 0, 0, 0, st.id, null, st."endedAt", 'stage.ended',
         jsonb_build_object('name', st.name, 'state', st.state, 'reason', st.reason, 'cause', null, 'message', null, 'changes',
           jsonb_build_array(jsonb_build_object('table', 'Stage', 'id', st.id,
             'expect', '{"state": "RUNNING", "desired": "RUN"}'::jsonb,
             'set', jsonb_build_object('state', st.state, 'reason', st.reason, 'result', st.result, 'cause', null, 'message', null,
               'endedAt', st."endedAt"))))
    from "Stage" st where st.id = any(begun) and st."endedAt" is not null
) as told order by part, shard, epoch, n
$$;`;
