import { LegaloneError } from "../core/errors.ts";
import type { AttemptState } from "../core/rows.ts";
import type { Database } from "./database.ts";
import { toJson } from "./happenings.ts";
import { reviveRow } from "./revive.ts";

/** What an agent says about its machine. */
export interface NodeReport {
  pid: number;
  build: string;
  address: string;
  engines: string[];
  npus: number;
  slots: number;
  info: Record<string, unknown>;
  /** The agent's process; null or left out for agents that name none. */
  instance?: string | null;
  /** Those that ran on its folder before it: what they held it holds. */
  predecessors?: readonly { instance: string; gone: boolean }[];
}

/** Live attempts of a node, for its agent. */
export interface NodeAttempt {
  id: string;
  epoch: number;
  state: AttemptState;
  startedAt: Date | null;
  exitedAt: Date | null;
  /** When its last line came. */
  heartbeatAt: Date | null;
  /** Another instance reported it, from another folder: nobody can go on with it here. */
  foreign: boolean;
}

interface Row {
  before: { slots: number; npus: number; silentMs: number; instance: string | null; address: string } | null;
  attempts: object[];
}

/** What a sync is answered from. */
export interface NodeSync {
  attempts: NodeAttempt[];
  /** It had been silent or unknown, or offers something else than before. */
  isNew: boolean;
  /** Who held the name before, where that was another. */
  taken: { instance: string; host: string } | null;
}

/** Who holds a node's name, as the field `holder` of E_NODE_TAKEN. */
export interface Holder {
  instance: string | null;
  host: string;
  pid: number | null;
  since: string | null;
  heartbeatAt: Date | null;
}

/**
 * Notes a node's sign of life and hands back the attempts that are live on it. The name is one instance's at a time: another
 * one gets it when it is given back, when nothing came of its holder after `silentSince`, or when the other ran on the same
 * folder after it and can tell that it is gone. What the holder began goes over to an instance of the
 * same folder only: offsets of event files mean something in one file.
 * @param silentSince last sign of life of a holder that was silent for long enough after it, as its caller has heard: no
 *   clock of another machine takes a name away
 * @throws LegaloneError E_NODE_TAKEN, with nothing changed; its field `holder` says of when its last sign of life is
 */
export async function syncNode(
  database: Database,
  node: string,
  report: NodeReport,
  silenceMs: number,
  silentSince: Date | null = null,
): Promise<NodeSync> {
  const { address, engines, npus, slots, info, pid, build, instance = null, predecessors = [] } = report;
  const before = predecessors.map((one) => one.instance);
  const gone = predecessors.filter((one) => one.gone).map((one) => one.instance);
  const [row] = await database.$queryRaw<Row[]>`
    with clock as materialized (select clock_timestamp() as now),
    before as (
      select slots, npus, instance, address, extract(epoch from (select now from clock) - "heartbeatAt") * 1000 as "silentMs"
        from "Node" where id = ${node}),
    noted as (
      insert into "Node" (id, address, engines, npus, slots, info, "agentPid", "agentBuild", "heartbeatAt", instance, "instanceSince")
      select ${node}, ${address}, ${engines}::text[], ${npus}::int, ${slots}::int, ${toJson(info)}::jsonb, ${pid}::int, ${build}, now,
             ${instance}::text, now
        from clock
      on conflict (id) do update set instance = excluded.instance, "instanceSince" = case
          when "Node".instance is not distinct from excluded.instance then "Node"."instanceSince" else excluded."instanceSince" end,
        address = excluded.address, engines = excluded.engines, npus = excluded.npus,
        slots = excluded.slots, info = excluded.info, "agentPid" = excluded."agentPid",
        "agentBuild" = excluded."agentBuild", "heartbeatAt" = excluded."heartbeatAt"
      where "Node".instance is null or "Node".instance is not distinct from excluded.instance
         or "Node".instance = any(${gone}::text[])
         or "Node"."heartbeatAt" = ${silentSince}::timestamptz
      returning id),
    adopted as (
      update "Attempt" set instance = ${instance}
       where cardinality(${before}::text[]) > 0 and exists (select from noted)
         and "nodeId" = ${node} and "endedAt" is null and instance = any(${before}::text[]))
    select (select to_json(before) from before) as before,
           (select coalesce(json_agg(a order by a."dispatchedAt"), '[]') from (
             select id, epoch, state, "startedAt", "exitedAt", "dispatchedAt", "heartbeatAt",
                    instance is not null and instance is distinct from ${instance}::text and instance <> all(${before}::text[]) as foreign
               from "Attempt" where "nodeId" = ${node} and "endedAt" is null) a) as attempts
      from noted`;
  if (!row) throw nodeTaken(node, await readHolder(database, node));
  const { before: was, attempts } = row;
  const silent = was === null || was.silentMs > silenceMs;
  const changed = was !== null && (was.slots !== slots || was.npus !== npus);
  return {
    attempts: attempts.map(reviveRow<NodeAttempt>),
    isNew: silent || changed,
    taken: was?.instance && was.instance !== instance ? { instance: was.instance, host: was.address } : null,
  };
}

/** Gives a node's name back, if `instance` holds it. */
export async function leaveNode(database: Database, node: string, instance: string): Promise<void> {
  await database.node.updateMany({ where: { id: node, instance }, data: { instance: null } });
}

async function readHolder(database: Database, node: string): Promise<Holder | null> {
  const row = await database.node.findUnique({ where: { id: node } });
  return row && holderOf(row);
}

/** Who holds a name, from the columns of its node. */
export function holderOf(row: {
  instance: string | null;
  address: string | null;
  agentPid: number | null;
  instanceSince: Date | null;
  heartbeatAt?: Date | null;
}): Holder {
  return {
    instance: row.instance,
    host: row.address ?? "",
    pid: row.agentPid,
    since: row.instanceSince?.toISOString() ?? null,
    heartbeatAt: row.heartbeatAt ?? null,
  };
}

/** The refusal of an instance that does not hold its node's name: who does, and what to do. */
export function nodeTaken(node: string, holder: Holder | null): LegaloneError {
  const nobody: Holder = { instance: null, host: "", pid: null, since: null, heartbeatAt: null };
  const held = holder ?? nobody;
  const who =
    held.instance === null
      ? "no agent"
      : `the agent on ${held.host || "an unknown host"}, process ${held.pid}, since ${held.since}`;
  return new LegaloneError("E_NODE_TAKEN", `the name of node ${node} is held by ${who}`, {
    hint: "Give each agent a name of its own (--node or LEGALONE_NODE), or stop the other one; this one goes on when that is gone.",
    fields: { holder: held },
  });
}
