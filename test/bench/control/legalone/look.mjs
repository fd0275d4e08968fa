// One look of the reconciler over many live attempts on simulated nodes: the parts of serve in this process, on a real
// PostgreSQL and Valkey, without agents.
import { createLook } from "../../../../dist/cli/serve/look.js";
import { policyOf } from "../../../../dist/cli/serve/policy.js";
import { createLog } from "../../../../dist/core/log.js";
import { readTimes } from "../../../../dist/core/times.js";
import { BullmqDoorbell } from "../../../../dist/dispatch/doorbell/bullmq-doorbell.js";
import { openDatabase } from "../../../../dist/records/database.js";
import { recordExit } from "../../../../dist/records/exits.js";
import { ingestEvents } from "../../../../dist/records/ingest.js";
import { Leadership } from "../../../../dist/records/leadership.js";
import { migrate } from "../../../../dist/records/migrate.js";
import { syncNode } from "../../../../dist/records/nodes.js";
import { queuePrefix } from "../../../../dist/services/addresses.js";
import { startPostgres } from "../../../../dist/services/postgres.js";
import { startValkey } from "../../../../dist/services/valkey.js";
import { rounded, spread } from "../statistics.mjs";
import { openWorkspace } from "./workspace.mjs";

/** Attempts that end, and are opened anew, in a busy look. */
const ended = 100;

/**
 * @returns milliseconds: `first` opens an attempt on every slot, `idle` finds nothing to do (of several), `busy` ends and
 * reopens 100; each is everything from reading the rows to rest, bells included
 */
export async function measureLook({ nodes = 250, slots = 4, looks = 10 } = {}) {
  const workspace = openWorkspace();
  const times = readTimes({});
  const log = createLog({ level: "error" });
  const [spec, queue] = await Promise.all([startPostgres(workspace.home), startValkey(workspace.home)]);
  await migrate(spec);
  const database = openDatabase(spec);
  workspace.database = database;
  const doorbell = new BullmqDoorbell(queue, queuePrefix(workspace.home), log);
  const leadership = Leadership.start(spec, { wake: () => {}, log, leaseMs: times.lead });
  const look = createLook({
    database,
    doorbell,
    policy: policyOf(times),
    log,
    office: () => leadership.office,
  });
  try {
    while (leadership.office === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
    const live = nodes * slots;
    await submit(workspace, live + 2 * ended);
    await sayNodes(database, nodes, slots, times);
    const first = await timed(look.once);
    const begun = await startAll(database, times);
    if (begun.length !== live) throw new Error(`${begun.length} attempts are live, expected ${live}`);
    await sayNodes(database, nodes, slots, times);
    const idle = [];
    for (let i = 0; i < looks; i++) idle.push(await timed(look.once));
    await endSome(database, begun.slice(0, ended), times);
    const busy = await timed(look.once);
    const opened = await database.attempt.count({ where: { state: "DISPATCHING" } });
    if (opened !== ended) throw new Error(`the busy look opened ${opened} attempts, expected ${ended}`);
    return { nodes, live, ended, firstMs: rounded(first), idleMs: spread(idle), busyMs: rounded(busy) };
  } finally {
    look.stop();
    await doorbell.close();
    await leadership.close();
    await workspace.close();
  }
}

async function timed(work) {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

function submit(workspace, shards) {
  return workspace.submit(workspace.pipeline("look", [`  fan: {uses: count, shards: ${shards}}`]));
}

async function sayNodes(database, nodes, slots, times) {
  for (let i = 0; i < nodes; i++) {
    const report = { pid: 1, build: "bench", address: "", engines: ["process"], npus: 0, slots, info: {} };
    await syncNode(database, `n${i}`, report, times.nodeSilence);
  }
}

const at = () => new Date().toISOString();

async function startAll(database, times) {
  const attempts = await database.attempt.findMany({ where: { state: "DISPATCHING" } });
  for (const { id, epoch } of attempts) {
    const lines = [{ type: "started", at: at(), attempt: id, epoch, pid: 1 }];
    await ingestEvents(database, id, { epoch, offset: 0, bytes: 1, lines }, times);
  }
  return attempts;
}

async function endSome(database, attempts, times) {
  for (const { id, epoch } of attempts) {
    const lines = [{ type: "result", at: at(), status: "succeeded", metrics: { shards: 1 } }];
    await ingestEvents(database, id, { epoch, offset: 1, bytes: 1, lines }, times);
    await recordExit(database, id, { epoch, code: 0, signal: null, lost: false });
  }
}
