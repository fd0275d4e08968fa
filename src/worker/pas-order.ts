import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { LegaloneError } from "../core/errors.ts";
import { type EventFile, openEventFile } from "./event-file.ts";
import { writeOrderFolder } from "./pas-order/order-folder.ts";
import { type OrderOptions, orderSpecOf, passesOver, refusePasses } from "./pas-order/order-options.ts";
import { readPackedLayout } from "./pas-order/packed-cells.ts";
import { faultsOfJob, type Job } from "./protocol.ts";

// A worker that runs before a trainer in the same attempt: it writes the order of the data into <attempt folder>/order.
// The attempt's result is the trainer's, so that this one ends without a `result` unless it fails.

const exitCodes = { E_DATA: 65, E_CONFIG: 64, E_PLAN_REFUSED: 64, E_USAGE: 64 } as const;

function main(): void {
  const { values } = parseArgs({ options: { job: { type: "string" } } });
  if (values.job === undefined) {
    process.stderr.write("usage: pas-order --job job.json\n");
    process.exitCode = exitCodes.E_USAGE;
    return;
  }
  const job = readJob(values.job);
  if (job === null) return;
  const events = openEventFile(job.events);
  try {
    makeOrder(job, events);
  } catch (error) {
    fail(error, events);
  } finally {
    events.close();
  }
}

/** The job, or null after saying on standard error what is wrong with the file. */
function readJob(file: string): Job | null {
  let faults: string[];
  try {
    const job: unknown = JSON.parse(readFileSync(file, "utf8"));
    faults = faultsOfJob(job);
    if (faults.length === 0) return job as Job;
  } catch (error) {
    faults = [(error as Error).message];
  }
  process.stderr.write(`${file} is no job: ${faults.join("; ")}\n`);
  process.exitCode = exitCodes.E_USAGE;
  return null;
}

function makeOrder(job: Job, events: EventFile): void {
  events.write({
    type: "started",
    attempt: job.attempt,
    epoch: job.epoch,
    pid: process.pid,
    program: "pas-order",
    versions: { node: process.version },
  });
  events.write({ type: "phase", phase: "loading", detail: "PAS order" });
  const inputs = job.inputs.filter(({ kind }) => kind === "packed");
  const packed = readPackedLayout(inputs.map(({ uri }) => fileURLToPath(uri)));
  // The schema of the stage kind has checked `with` before the job was made.
  const options = job.with as unknown as OrderOptions;
  const spec = orderSpecOf(options, packed, job.seed);
  const beat = heartbeat(events, job.heartbeatSeconds ?? 10);
  const order = writeOrderFolder(join(job.folder, "order"), spec, packed, (step) =>
    beat(() => events.write({ type: "progress", step: step + 1, of: spec.steps, unit: "planned steps" })),
  );
  refusePasses(passesOver(spec, order.passes, options.pas.max_passes), options.pas.max_passes);
  for (const message of order.warnings) events.write({ type: "warning", code: "passes", message });
}

/** Counting keeps the event loop busy: beats are sent from inside it, when one is due. */
function heartbeat(events: EventFile, seconds: number): (progress: () => void) => void {
  let due = performance.now() + 1000 * seconds;
  return (progress) => {
    if (performance.now() < due) return;
    due = performance.now() + 1000 * seconds;
    events.write({ type: "heartbeat", rssBytes: process.memoryUsage.rss() });
    progress();
  };
}

function fail(error: unknown, events: EventFile): void {
  const known = error instanceof LegaloneError ? error : null;
  const code =
    known && Object.hasOwn(exitCodes, known.code)
      ? exitCodes[known.code as keyof typeof exitCodes]
      : endOf(error);
  const reason = { 64: "user_error", 65: "data_error", 70: "crashed", 74: "disk_full" }[code];
  const message = known
    ? known.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`${message}\n`);
  process.exitCode = code;
  if (code !== 74)
    events.write({
      type: "result",
      status: "failed",
      reason: reason!,
      message,
      ...(known?.hint ? { hint: known.hint } : {}),
    });
}

function endOf(error: unknown): 70 | 74 {
  return (error as NodeJS.ErrnoException | null)?.code === "ENOSPC" ? 74 : 70;
}

main();
