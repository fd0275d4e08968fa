import { join } from "node:path";
import { buildHash } from "../../core/build.ts";
import { AttemptFolder } from "../../dispatch/attempt-folder.ts";
import type { Database } from "../../records/database.ts";
import { NewEvents } from "../../records/reads/new-events.ts";
import { listNodes } from "../../records/reads/nodes.ts";
import { readQueue } from "../../records/reads/queue.ts";
import type { RunDetail } from "../../records/reads/runs.ts";
import { attemptsOfRun, tellingAttempts } from "../../records/reads/stages.ts";
import { jsonLines, runStatusLines } from "../../views/status-json.ts";
import { allChecks } from "../actions/doctor.ts";
import { TextTail } from "../actions/text-tail.ts";
import { version } from "../program.ts";

/** Bytes of the end of each log. */
const logBytes = 256 * 1024;

/** Files of attempts: what was asked, how it started and ended, and the ends of what it wrote. */
const attemptFiles = ["job.json", "pid.json", "exit.json", "launch.json", "container.json", "stop.json"];
const attemptLogs = ["stdout.log", "stderr.log", "events.jsonl"];

/** Folders of so many attempts go along: those that live, then those that ended badly, the newest of each first. */
const mostFolders = 64;

/** Path inside the bundle, and its text, whole or in pieces that end with a line; not yet redacted. */
export type BundleFile = [path: string, text: string | AsyncIterable<string>];

/** Everything a bug report about a run needs, as far as it can be read here; what may be long comes in pieces. */
export async function* bundleFiles(
  db: Database,
  home: string,
  detail: RunDetail,
): AsyncGenerator<BundleFile> {
  const { config, written, ...run } = detail.run;
  yield ["about.json", pretty(about(detail))];
  yield ["doctor.json", pretty(await allChecks(false))];
  yield ["nodes.jsonl", jsonLines(await listNodes(db))];
  yield ["queue.jsonl", jsonLines(await readQueue(db))];
  yield ["run.json", pretty(run)];
  yield ["pipeline.yaml", written];
  yield ["plan.json", pretty(config)];
  yield ["status.jsonl", runStatusLines(detail, new Date())];
  yield ["events.jsonl", linesOf(new NewEvents(db, { run: detail.run.id }).next())];
  yield ["attempts.jsonl", linesOf(attemptsOfRun(db, detail.run.id))];
  for (const id of await tellingAttempts(db, detail.run.id, mostFolders))
    yield* filesOf(new AttemptFolder(join(home, "attempts"), id), join("attempts", id));
  for (const name of ["serve.log", "agent.log"]) yield* tailOf(join(home, name), join("logs", name));
}

async function* linesOf(pages: AsyncIterable<unknown[]>): AsyncGenerator<string> {
  for await (const page of pages) yield `${jsonLines(page)}\n`;
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

function filesOf(from: AttemptFolder, to: string): BundleFile[] {
  // A link in its place leads to somebody else's files.
  if (!from.isThere()) return [];
  return [...attemptFiles, ...attemptLogs].flatMap((name) => tailOf(from.file(name), join(to, name)));
}

function tailOf(from: string, to: string): BundleFile[] {
  const tail = new TextTail(from);
  return tail.exists() ? [[to, tail.lastBytes(logBytes)]] : [];
}

function pretty(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner), 2);
}
