import { readFileSync } from "node:fs";
import type { ResolvedPipeline, ResolvedStage } from "../../src/config/types.ts";
import type { NodeRow, RunRow } from "../../src/core/rows.ts";
import type { Database } from "../../src/records/database.ts";
import type { LoggedEvent } from "../chaos/checks/log.ts";

/** A stored event log with what the log leaves out: configurations (specs stand in them) and nodes. */
export interface StoredLog {
  about: { seed: number; faults: string[]; times: Record<string, string> };
  runs: RunRow[];
  nodes: Omit<NodeRow, "heartbeatAt">[];
  events: LoggedEvent[];
}

/** The log of all runs of a database as JSON Lines; `folder`, where the site lies, is written as `/site`. */
export async function textOfLog(db: Database, about: StoredLog["about"], folder: string): Promise<string> {
  const runs = await db.run.findMany({ select: { id: true, config: true, priority: true } });
  const nodes = await db.node.findMany({
    select: { id: true, engines: true, npus: true, slots: true },
    orderBy: { id: "asc" },
  });
  const events = await db.event.findMany({ orderBy: { id: "asc" } });
  const lines = [
    { kind: "about", ...about },
    ...runs.map((run) => ({ kind: "run", ...run })),
    ...nodes.map((node) => ({ kind: "node", ...node })),
    ...events.map(({ id, ...event }) => ({ kind: "event", id: Number(id), ...event })),
  ];
  return `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`.replaceAll(folder, "/site");
}

export function readLog(path: string): StoredLog {
  const lines = readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string });
  const of = <T>(kind: string) => lines.filter((line) => line.kind === kind) as unknown as T[];
  return {
    about: of<StoredLog["about"]>("about")[0]!,
    runs: of("run"),
    nodes: of<StoredLog["nodes"][number]>("node").sort((a, b) => (a.id < b.id ? -1 : 1)),
    events: of("event"),
  };
}

/** Resolved stages by run and name. */
export function specsOf(runs: readonly RunRow[]): (run: string, stage: string) => ResolvedStage {
  const specs = new Map(
    runs.flatMap(({ id, config }) =>
      (config as ResolvedPipeline).stages.map((stage) => [`${id} ${stage.name}`, stage] as const),
    ),
  );
  return (run, stage) => specs.get(`${run} ${stage}`)!;
}
