import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { buildHash } from "../../core/build.ts";
import { LegaloneError } from "../../core/errors.ts";
import { createLog, type Log } from "../../core/log.ts";
import { modelsFolder, workspace } from "../../core/paths.ts";
import { quoted } from "../../core/text.ts";
import { readTimes } from "../../core/times.ts";
import { knownWorkspaceId } from "../../core/workspace-note.ts";
import { Agent } from "../../dispatch/agent/agent.ts";
import { EngineSeat } from "../../dispatch/agent/engine-seat.ts";
import { ArtifactClient } from "../../dispatch/agent/far/artifact-client.ts";
import { FarStore } from "../../dispatch/agent/far/far-store.ts";
import { InstanceNote } from "../../dispatch/agent/instance-note.ts";
import { imagePrograms, launchOf, localPrograms, workerEnvironment } from "../../dispatch/agent/launching.ts";
import { nodeFacts } from "../../dispatch/agent/node-facts.ts";
import { addressFromFile, type ServeAddress, ServeClient } from "../../dispatch/agent/serve-client.ts";
import { containerPlace } from "../../dispatch/container/container-place.ts";
import { containerSocket } from "../../dispatch/container/container-socket.ts";
import { CountEngine } from "../../dispatch/count/count-engine.ts";
import type { Doorbell } from "../../dispatch/doorbell/doorbell.ts";
import type { Engine } from "../../dispatch/engine.ts";
import { ProcessEngine } from "../../dispatch/process/process-engine.ts";
import { queuePrefix, queueSpec } from "../../services/addresses.ts";
import { readDaemon, writeDaemon } from "../../services/daemon.ts";
import { withLock } from "../../services/lock.ts";
import { endWithOwner, leaveWithOwner } from "../../services/owner.ts";

export interface AgentCommand {
  node?: string;
  serve?: string;
  slots: number;
}

/** Runs the agent of this node until TERM. Workers go on when it ends. */
export async function runAgent(options: AgentCommand): Promise<void> {
  const home = workspace();
  const node = nodeName(options.node);
  const { slots } = options;
  const elsewhere = options.serve;
  const find = addressOf(elsewhere, home);
  const log = createLog({ fields: { agent: node } });
  const note = await takeNote(home, node, elsewhere !== undefined);
  const leaving = new AbortController();
  const times = readTimes();
  const engines = enginesOf({ home, node, slots, log, everyMs: times.sync, leaving: leaving.signal });
  const agent = new Agent({
    node,
    home,
    engines,
    note,
    client: new ServeClient(find, note.instance),
    doorbell: await doorbellFor(options, home, log),
    facts: () => ({
      pid: process.pid,
      build: buildHash(),
      ...nodeFacts(home, slots),
      ...(elsewhere === undefined ? {} : { workspace: knownWorkspaceId(home) }),
    }),
    ...(elsewhere === undefined ? {} : { farStore: farStore(find, note.instance, home, log) }),
    launchOf: (spec) => launchOf(spec, home, spec.engine === "container" ? imagePrograms : localPrograms()),
    log,
    syncMs: times.sync,
  });
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => agent.leave());
  leaveWithOwner(() => agent.leave());
  log.info("agent runs", {
    pid: process.pid,
    build: buildHash(),
    home,
    instance: note.instance,
  });
  await agent.run();
  leaving.abort();
  log.info("agent left; workers go on");
}

interface EnginePlace {
  home: string;
  node: string;
  slots: number;
  log: Log;
  everyMs: number;
  leaving: AbortSignal;
}

/** Processes always; containers whenever Docker or Podman answers. */
function enginesOf({ home, node, slots, log, everyMs, leaving }: EnginePlace): Engine[] {
  const attempts = join(home, "attempts");
  const env = workerEnvironment(home, slots);
  const onStart = (pid: number) => endWithOwner(pid, "KILL", { group: true });
  const containers = new EngineSeat({
    ...{ name: "container", attempts, node, log, everyMs },
    open: async () => {
      const socket = containerSocket();
      if (socket === undefined) return undefined;
      const { ContainerEngine } = await import("../../dispatch/container/container-engine.ts");
      return new ContainerEngine({ socket, attempts, node, env, log, ...containerPlace(home) });
    },
  });
  void containers.watch(leaving);
  return [
    new ProcessEngine({ attempts, node, env, onStart, log }),
    new CountEngine(attempts, node),
    containers,
  ];
}

/**
 * One agent a workspace and machine: agent.json is where `up` and `down` find theirs. Agents of other machines that share
 * the folder have only the note of their node.
 */
async function takeNote(home: string, node: string, elsewhere: boolean): Promise<InstanceNote> {
  const path = join(home, "agent.json");
  return withLock(join(home, "agent.lock"), async () => {
    const other = readDaemon(path);
    if (other !== undefined && other.pid !== process.pid)
      throw new LegaloneError("E_CONFLICT", `an agent of this workspace runs already, process ${other.pid}`, {
        hint: "`legalone down` stops it; LEGALONE_HOME names another workspace.",
      });
    const host = hostname();
    if (!elsewhere || (noteHost(path) ?? host) === host)
      writeDaemon(path, { pid: process.pid, node, host, build: buildHash() });
    return InstanceNote.take(home, node);
  });
}

/** The machine that a note is of, whether its process runs or not. */
function noteHost(path: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { host?: string }).host;
  } catch {
    return undefined;
  }
}

function addressOf(url: string | undefined, home: string): () => ServeAddress {
  if (url === undefined) return () => addressFromFile(join(home, "serve.json"));
  const token = process.env.LEGALONE_TOKEN;
  if (!token)
    throw new LegaloneError(
      "E_USAGE",
      "a control plane on another machine needs its token in LEGALONE_TOKEN",
      {
        hint: "It stands in serve.json of that machine's workspace.",
      },
    );
  // What no header can hold was copied with its line end, or from another place.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new LegaloneError(
      "E_USAGE",
      "LEGALONE_TOKEN holds spaces, line ends or other letters than a token has",
      {
        hint: "Copy `token` from serve.json of that machine's workspace, without its quotes.",
      },
    );
  return () => ({ address: url, token });
}

function farStore(find: () => ServeAddress, instance: string, home: string, log: Log): FarStore {
  return new FarStore({ client: new ArtifactClient(find, instance), home, models: modelsFolder(), log });
}

/** A node far away that has no queue works by its timer. */
async function doorbellFor(options: AgentCommand, home: string, log: Log): Promise<Doorbell> {
  const far = options.serve !== undefined;
  if (far && !process.env.LEGALONE_REDIS_URL) {
    const { TimerDoorbell } = await import("../../dispatch/doorbell/timer-doorbell.ts");
    return new TimerDoorbell(log);
  }
  const { BullmqDoorbell } = await import("../../dispatch/doorbell/bullmq-doorbell.ts");
  return new BullmqDoorbell(queueSpec(home), queuePrefix(home), log);
}

/** Letters, digits, `.`, `_` and `-`: it names a queue and stands in addresses. */
function nodeName(given: string | undefined): string {
  const name = given ?? (process.env.LEGALONE_NODE || hostname().replace(/[^A-Za-z0-9._-]/g, "-") || "local");
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return name;
  throw new LegaloneError(
    "E_USAGE",
    `the node's name is ${quoted(name)}, expected at most 63 letters, digits, ".", "_", "-"`,
    { hint: "Give it with --node or LEGALONE_NODE." },
  );
}
