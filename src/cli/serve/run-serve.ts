import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import pRetry, { AbortError } from "p-retry";
import { buildHash } from "../../core/build.ts";
import type { ConnectionSpec } from "../../core/connections.ts";
import { LegaloneError } from "../../core/errors.ts";
import { createLog, type Log } from "../../core/log.ts";
import { workspace } from "../../core/paths.ts";
import { readTimes } from "../../core/times.ts";
import { locate, readWorkspaceNote, workspaceId, writeWorkspaceNote } from "../../core/workspace-note.ts";
import { createApi } from "../../dispatch/api/server.ts";
import { BullmqDoorbell } from "../../dispatch/doorbell/bullmq-doorbell.ts";
import { type Doorbell, reconcileQueue } from "../../dispatch/doorbell/doorbell.ts";
import { AnswerRound } from "../../dispatch/doorbell/timer-doorbell.ts";
import { isConflict, isUnreachable, openDatabase } from "../../records/database.ts";
import { Leadership } from "../../records/leadership.ts";
import { checkMigrations, migrate } from "../../records/migrate.ts";
import { belongsElsewhere, claimRecords, recordsName, type WorkspaceClaim } from "../../records/workspace.ts";
import { databaseSpec, queuePrefix, queueSpec } from "../../services/addresses.ts";
import { keepNotes, readDaemon, refuseElsewhere, writeDaemon } from "../../services/daemon.ts";
import { withLock } from "../../services/lock.ts";
import { leaveWithOwner } from "../../services/owner.ts";
import { saveRecords } from "../actions/backup.ts";
import { Artifacts } from "./artifacts.ts";
import { Control } from "./control.ts";
import { createLook } from "./look.ts";
import { policyOf } from "./policy.ts";

/** Half uploads of attempts that ended without a word are looked for this often. */
const sweepMs = 3_600_000;

export interface ServeOptions {
  host: string;
  /** 0 for a free one. */
  port: number;
  /** Only say whether this version could serve the records of this workspace, and leave. */
  check?: boolean;
}

/** Runs the control plane until TERM. Agents and workers go on without it, and are found again by the next one. */
export async function runServe({ host, port, check = false }: ServeOptions): Promise<void> {
  const home = workspace();
  if (check) return checkRecords(databaseSpec(home), claimOf(home));
  const log = createLog({ fields: { serve: process.pid } });
  const times = readTimes();
  const spec = databaseSpec(home);
  refuseSecond(home);
  await migrated(spec, times.databaseWait, log, home);
  await claimed(spec, home);

  const database = openDatabase(spec);
  // Before anything runs: it writes the workspace's name, and the disk may be full.
  const artifacts = new Artifacts(database, home, log);
  const doorbell: Doorbell = new BullmqDoorbell(queueSpec(home), queuePrefix(home), log);
  let leadership: Leadership | undefined;
  const office = () => leadership?.office;
  const look = createLook({ database, home, doorbell, policy: policyOf(times), log, office });
  const round = new AnswerRound(look.once, log);
  const wake = () => void round.call(undefined);
  look.onLater(wake);
  const control = new Control({
    ...{ database, times, artifacts, wake, log },
    queueHealthy: () => doorbell.healthy(),
  });
  let sweeping: NodeJS.Timeout | undefined;
  let beat: NodeJS.Timeout | undefined;
  const token = process.env.LEGALONE_TOKEN || randomBytes(32).toString("hex");
  const api = createApi(control, token, log, artifacts);
  // Heard from here on: asked before all runs, it leaves as orderly as after.
  const asked = untilAsked();
  try {
    // Inside, so that whatever fails from here on gives the office back.
    leadership = Leadership.start(spec, { wake, log, leaseMs: times.lead });
    const address = await api.listen({ host, port }).catch((error: unknown) => {
      throw cannotListen(error, { host, port });
    });
    doorbell.listen(reconcileQueue, () => round.call(undefined), { everyMs: times.reconcile });
    await takeNote(home, { address, token });
    beat = keepNotes([noteOf(home), join(home, "postgres.json")]);
    sweeping = artifacts.sweepEvery(sweepMs, log);
    log.info("serve runs", { address, build: buildHash(), home, reconcileMs: times.reconcile });
    await asked;
    log.info("serve leaves; agents and workers go on");
  } finally {
    clearInterval(sweeping);
    clearInterval(beat);
    await api.close();
    look.stop();
    await doorbell.close();
    await round.idle();
    await leadership?.close();
    await database.$disconnect();
    if (readDaemon(noteOf(home))?.pid === process.pid) rmSync(noteOf(home), { force: true });
  }
}

/** Tries while PostgreSQL cannot be reached (it may start beside serve); what it answers is final. */
async function migrated(spec: ConnectionSpec, patienceMs: number, log: Log, home: string): Promise<void> {
  const before = (pending: string) => saveRecords(spec, home, pending, log);
  const applied = await pRetry(
    async () => {
      try {
        return await migrate(spec, undefined, { before });
      } catch (error) {
        throw isUnreachable(error) || isConflict(error) ? error : new AbortError(error as Error);
      }
    },
    { forever: true, maxRetryTime: patienceMs, minTimeout: 200, maxTimeout: 2_000 },
  );
  if (applied.length > 0) log.info("migrated", { applied });
}

function claimOf(home: string): WorkspaceClaim {
  return { id: workspaceId(home), home, formerly: readWorkspaceNote(home)?.formerly };
}

/** Records and folder belong together from here on. @throws E_WORKSPACE when the records are another workspace's */
async function claimed(spec: ConnectionSpec, home: string): Promise<void> {
  const claim = claimOf(home);
  // A name that came with a copy is replaced in the copy's own database alone.
  const own = process.env.LEGALONE_DATABASE_URL ? { ...claim, formerly: undefined } : claim;
  await claimRecords(spec, own);
  const note = readWorkspaceNote(home);
  if (note?.formerly !== undefined) writeWorkspaceNote(home, { id: note.id, ...locate(home) });
}

async function checkRecords(spec: ConnectionSpec, claim: WorkspaceClaim): Promise<void> {
  await checkMigrations(spec);
  const named = await recordsName(spec);
  if (named !== undefined && named !== claim.id && named !== claim.formerly)
    throw belongsElsewhere(named, claim);
}

function noteOf(home: string): string {
  return join(home, "serve.json");
}

/** One serve a workspace: its note tells agents where to report. @throws E_CONFLICT */
function refuseSecond(home: string): void {
  refuseElsewhere(noteOf(home), "serve");
  const other = readDaemon(noteOf(home));
  if (other === undefined || other.pid === process.pid) return;
  throw new LegaloneError("E_CONFLICT", `a serve of this workspace runs already, process ${other.pid}`, {
    hint: "`legalone down` stops it; LEGALONE_HOME names another workspace.",
  });
}

async function takeNote(home: string, note: { address: string; token: string }): Promise<void> {
  await withLock(join(home, "serve.lock"), async () => {
    refuseSecond(home);
    writeDaemon(noteOf(home), { pid: process.pid, build: buildHash(), ...note });
  });
}

/** What keeps serve from its address, as an error of who gave it; anything else as it came. */
function cannotListen(error: unknown, { host, port }: ServeOptions): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const place = `${host}:${port}`;
  if (code === "EADDRINUSE")
    return new LegaloneError("E_CONFLICT", `another program listens on ${place} already`, {
      cause: error,
      hint: "`--port` names another port; 0, the default, takes a free one.",
    });
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EACCES")
    return new LegaloneError("E_USAGE", `serve cannot listen on ${place}: ${(error as Error).message}`, {
      cause: error,
      hint: "`--host` wants an address of this machine, `--port` one this user may take (0 for a free one).",
    });
  return error;
}

/** Resolves at TERM, INT, or the end of the owner that tests name. */
function untilAsked(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve());
    leaveWithOwner(resolve);
  });
}
