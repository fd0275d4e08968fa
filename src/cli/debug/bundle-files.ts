import { join } from "node:path";
import { buildHash } from "../../core/build.ts";
import type { Database } from "../../records/database.ts";
import { NewEvents } from "../../records/reads/new-events.ts";
import { listNodes } from "../../records/reads/nodes.ts";
import { readQueue } from "../../records/reads/queue.ts";
import type { RunDetail } from "../../records/reads/runs.ts";
import { attemptsOfRun } from "../../records/reads/stages.ts";
import { jsonLines, runStatusLines } from "../../views/status-json.ts";
import { allChecks } from "../actions/doctor.ts";
import { TextTail } from "../actions/text-tail.ts";
import { version } from "../program.ts";

/** Bytes of the end of each log. */
const logBytes = 256 * 1024;

/** Files of attempts: what was asked, how it started and ended, and the ends of what it wrote. */
const attemptFiles = ["job.json", "pid.json", "exit.json", "launch.json", "container.json", "stop.json"];
const attemptLogs = ["stdout.log", "stderr.log", "events.jsonl"];

/** Path inside the bundle and text, not yet redacted. */
export type BundleFile = [path: string, text: string];

/** Everything a bug report about a run needs, as far as it can be read here. */
export async function bundleFiles(db: Database, home: string, detail: RunDetail): Promise<BundleFile[]> {
  const attempts = await attemptsOfRun(db, detail.run.id);
  const events = await new NewEvents(db, { run: detail.run.id }).next();
  const { config, written, ...run } = detail.run;
  return [
    ["about.json", pretty(about(detail))],
    ["doctor.json", pretty(await allChecks(false))],
    ["nodes.jsonl", jsonLines(await listNodes(db))],
    ["queue.jsonl", jsonLines(await readQueue(db))],
    ["run.json", pretty(run)],
    ["pipeline.yaml", written],
    ["plan.json", pretty(config)],
    ["status.jsonl", runStatusLines(detail, new Date())],
    ["events.jsonl", jsonLines(events)],
    ["attempts.jsonl", jsonLines(attempts)],
    ...attempts.flatMap(({ id }) => filesOf(join(home, "attempts", id), join("attempts", id))),
    ...["serve.log", "agent.log"].flatMap((name) => tailOf(join(home, name), join("logs", name))),
  ];
}

/** Versions, and which of our variables are set: names only, their values may be anything. */
function about({ run }: RunDetail): object {
  return {
    run: run.id,
    at: new Date(),
    legalone: version(),
    build: buildHash(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    variables: Object.keys(process.env).filter((name) => name.startsWith("LEGALONE_")),
  };
}

function filesOf(from: string, to: string): BundleFile[] {
  return [...attemptFiles, ...attemptLogs].flatMap((name) => tailOf(join(from, name), join(to, name)));
}

function tailOf(from: string, to: string): BundleFile[] {
  const tail = new TextTail(from);
  return tail.exists() ? [[to, tail.lastBytes(logBytes)]] : [];
}

function pretty(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner), 2);
}
