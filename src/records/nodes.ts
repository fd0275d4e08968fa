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
}

/** Live attempts of a node, for its agent. */
export interface NodeAttempt {
  id: string;
  epoch: number;
  state: AttemptState;
  startedAt: Date | null;
  exitedAt: Date | null;
  /** Since its last line, or its dispatch. */
  silentMs: number;
}

interface Row {
  before: { slots: number; npus: number; silentMs: number } | null;
  attempts: object[];
}

/** Notes a node's sign of life and hands back the attempts that are live on it. `isNew`: it had been silent or unknown. */
export async function syncNode(
  database: Database,
  node: string,
  report: NodeReport,
  silenceMs: number,
): Promise<{ attempts: NodeAttempt[]; isNew: boolean }> {
  const { address, engines, npus, slots, info, pid, build } = report;
  const [row] = await database.$queryRaw<Row[]>`
    with clock as materialized (select clock_timestamp() as now),
    before as (
      select slots, npus, extract(epoch from (select now from clock) - "heartbeatAt") * 1000 as "silentMs"
        from "Node" where id = ${node}),
    noted as (
      insert into "Node" (id, address, engines, npus, slots, info, "agentPid", "agentBuild", "heartbeatAt")
      select ${node}, ${address}, ${engines}::text[], ${npus}::int, ${slots}::int, ${toJson(info)}::jsonb, ${pid}::int, ${build}, now
        from clock
      on conflict (id) do update set address = excluded.address, engines = excluded.engines, npus = excluded.npus,
        slots = excluded.slots, info = excluded.info, "agentPid" = excluded."agentPid",
        "agentBuild" = excluded."agentBuild", "heartbeatAt" = excluded."heartbeatAt"
      returning id)
    select (select to_json(before) from before) as before,
           (select coalesce(json_agg(a order by a."dispatchedAt"), '[]') from (
             select id, epoch, state, "startedAt", "exitedAt", "dispatchedAt",
                    extract(epoch from (select now from clock) - coalesce("heartbeatAt", "dispatchedAt")) * 1000 as "silentMs"
               from "Attempt" where "nodeId" = ${node} and "endedAt" is null) a) as attempts
      from noted`;
  const { before, attempts } = row!;
  const silent = before === null || before.silentMs > silenceMs;
  const changed = before !== null && (before.slots !== slots || before.npus !== npus);
  return { attempts: attempts.map(reviveRow<NodeAttempt>), isNew: silent || changed };
}
