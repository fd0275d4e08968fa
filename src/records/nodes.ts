import type { AttemptState } from "../core/rows.ts";
import { type Database, databaseNow } from "./database.ts";
import { toJson } from "./happenings.ts";

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

/** Notes a node's sign of life and hands back the attempts that are live on it. `isNew`: it had been silent or unknown. */
export async function syncNode(
  database: Database,
  node: string,
  report: NodeReport,
  silenceMs: number,
): Promise<{ attempts: NodeAttempt[]; isNew: boolean }> {
  const now = await databaseNow(database);
  const before = await database.node.findUnique({ where: { id: node } });
  const row = {
    address: report.address,
    engines: report.engines,
    npus: report.npus,
    slots: report.slots,
    info: toJson(report.info),
    agentPid: report.pid,
    agentBuild: report.build,
    heartbeatAt: now,
  };
  await database.node.upsert({ where: { id: node }, create: { id: node, ...row }, update: row });
  const live = await database.attempt.findMany({
    where: { nodeId: node, endedAt: null },
    select: {
      id: true,
      epoch: true,
      state: true,
      startedAt: true,
      exitedAt: true,
      heartbeatAt: true,
      dispatchedAt: true,
    },
    orderBy: { dispatchedAt: "asc" },
  });
  const attempts = live.map(({ heartbeatAt, dispatchedAt, ...attempt }) => {
    return { ...attempt, silentMs: now.getTime() - (heartbeatAt ?? dispatchedAt).getTime() };
  });
  const silent = !before || now.getTime() - before.heartbeatAt.getTime() > silenceMs;
  const changed = before !== null && (before.slots !== row.slots || before.npus !== row.npus);
  return { attempts, isNew: silent || changed };
}
