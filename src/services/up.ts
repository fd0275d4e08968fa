import { join } from "node:path";
import { buildHash } from "../core/build.ts";
import { makeHome } from "../core/own-folder.ts";
import { workspace } from "../core/paths.ts";
import { databaseSpec, queueSpec } from "./addresses.ts";
import { type DaemonNote, endDaemon, readDaemon, refuseElsewhere } from "./daemon.ts";
import { settleHome } from "./home.ts";
import { checkServe, type DaemonCommand, launchDaemon } from "./launch-daemon.ts";
import { withLock } from "./lock.ts";
import { postgresStatus, refuseLostData, startPostgres, stopPostgres } from "./postgres.ts";
import { closeSocketFolder } from "./socket-folder.ts";
import { startValkey, stopValkey, valkeyStatus } from "./valkey.ts";

/** Serve ends its answers, the agent its posts; neither waits for workers. */
const endPatienceMs = 10_000;
/** Another command that raises or ends the same workspace: longer than each of its own waits together. */
const otherPatienceMs = 180_000;

const serve: DaemonCommand = {
  name: "serve",
  code: "E_SERVE",
  ready: healthy,
  waitedFor: {
    note: "it did not open its records and listen",
    ready: "it listens, but gave no good answer at /healthz",
  },
};
/** It has nothing to wait for: it looks for serve by itself. */
const agent: DaemonCommand = {
  name: "agent",
  code: "E_NODE",
  ready: async () => true,
  waitedFor: { note: "it did not write its note", ready: "it did not become ready" },
};

export interface UpResult {
  /** What was not running and was started now: postgres, valkey, serve, agent. */
  started: string[];
  /** What ran from another build and was replaced; workers went on. */
  replaced: string[];
  serve: DaemonNote;
  agent: DaemonNote;
}

/**
 * Makes everything run that one machine needs: PostgreSQL, Valkey, serve and one agent, in the background.
 * Returns when serve answers. Calling it again costs a few milliseconds.
 * @throws E_WORKSPACE, E_MIGRATION before anything is stopped, when what is there belongs to another workspace or version
 */
export async function up(home = workspace()): Promise<UpResult> {
  settleHome(home);
  makeHome(home);
  const asItIs = await running(home);
  if (asItIs !== undefined) return { started: [], replaced: [], ...asItIs };
  return withLock(join(home, "up.lock"), () => start(home), otherPatienceMs);
}

export interface DownResult {
  stopped: string[];
}

/**
 * Stops agent and serve, then the embedded servers. Workers go on, and the next agent finds them.
 * Of a copied folder nothing is stopped: what its notes name is the original's.
 */
export async function down(home = workspace()): Promise<DownResult> {
  return withLock(
    join(home, "up.lock"),
    async () => {
      const ended = {
        agent: await endDaemon(noteOf(home, "agent"), endPatienceMs),
        serve: await endDaemon(noteOf(home, "serve"), endPatienceMs),
        valkey: await stopValkey(home),
        postgres: await stopPostgres(home),
      };
      const stores = await Promise.all([postgresStatus(home), valkeyStatus(home)]);
      if (stores.every(({ state }) => state !== "running")) closeSocketFolder(home);
      return { stopped: Object.entries(ended).flatMap(([name, was]) => (was ? [name] : [])) };
    },
    otherPatienceMs,
  );
}

/** Both daemons, when all four run and the daemons are of this build. */
async function running(home: string): Promise<Pick<UpResult, "serve" | "agent"> | undefined> {
  const [serveNote, agentNote] = [ours("serve", home), ours("agent", home)];
  if (serveNote === undefined || agentNote === undefined) return undefined;
  const [postgres, valkey, answers] = await Promise.all([
    postgresStatus(home),
    valkeyStatus(home),
    healthy(serveNote),
  ]);
  if (postgres.state === "stopped" || valkey.state === "stopped" || !answers) return undefined;
  return { serve: serveNote, agent: agentNote };
}

async function start(home: string): Promise<UpResult> {
  for (const name of ["postgres", "valkey", "serve"])
    refuseElsewhere(noteOf(home, name), name, { keeps: name === "postgres" });
  refuseLostData(home);
  // Addresses that are none are refused before anything begins.
  databaseSpec(home);
  queueSpec(home);
  const started: string[] = [];
  const replaced: string[] = [];
  const stores = Promise.all([
    startStore(
      "postgres",
      () => postgresStatus(home),
      () => startPostgres(home),
      started,
    ),
    startStore(
      "valkey",
      () => valkeyStatus(home),
      () => startValkey(home),
      started,
    ),
  ]);
  const replacing = [serve, agent].some(({ name }) => {
    const note = readDaemon(noteOf(home, name));
    return note !== undefined && note.build !== buildHash();
  });
  // Whoever would be refused by the records stops nothing.
  if (replacing) await stores.then(() => checkServe(home));
  const givenUp = new AbortController();
  stores.catch(() => givenUp.abort());
  const ensure = async (command: DaemonCommand): Promise<DaemonNote> => {
    const note = ours(command.name, home);
    if (note !== undefined && (await command.ready(note))) return note;
    if (await endDaemon(noteOf(home, command.name), endPatienceMs)) replaced.push(command.name);
    else started.push(command.name);
    return launchDaemon(command, home, givenUp.signal);
  };
  // All at once: serve waits for the database, the agent for serve, and loading a program takes longest.
  const all = [stores, ensure(serve), ensure(agent)] as const;
  const failed = (await Promise.allSettled(all)).find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  const [, serveNote, agentNote] = await Promise.all(all);
  const order = ["postgres", "valkey", "serve", "agent"];
  started.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return { started, replaced, serve: serveNote, agent: agentNote };
}

async function startStore(
  name: string,
  status: () => Promise<{ state: string }>,
  begin: () => Promise<unknown>,
  started: string[],
): Promise<void> {
  if ((await status()).state !== "stopped") return;
  await begin();
  started.push(name);
}

function noteOf(home: string, name: string): string {
  return join(home, `${name}.json`);
}

/** The note of a daemon that runs and is of this build. */
function ours(name: string, home: string): DaemonNote | undefined {
  const note = readDaemon(noteOf(home, name));
  return note?.build === buildHash() ? note : undefined;
}

async function healthy(note: DaemonNote): Promise<boolean> {
  try {
    const response = await fetch(new URL("/healthz", String(note.address)), {
      signal: AbortSignal.timeout(3000),
    });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
