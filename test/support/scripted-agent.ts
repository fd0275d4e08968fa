import type { EventLine, LaunchSpec, SyncReply } from "../../src/dispatch/api/contract.ts";

/** A serve to talk to. */
export interface Served {
  address: string;
  token: string;
  /** Resolves when it may have decided something new. */
  look(): Promise<void>;
}

/** What a scripted worker does: lines it writes, then how it ends. */
export interface Script {
  lines?: EventLine[];
  exit?: { code: number | null; signal?: string | null; lost?: boolean };
}

/** A loaded machine is late, not wrong. */
const patienceMs = 60_000;

const at = () => new Date().toISOString();
const hash = (text: string) => Buffer.from(text.padEnd(32, ".")).toString("hex").slice(0, 64).padEnd(64, "0");

export const line = {
  started: (spec: LaunchSpec): EventLine => ({
    type: "started",
    at: at(),
    attempt: spec.attempt,
    epoch: spec.epoch,
    pid: 1,
  }),
  phase: (phase: string): EventLine => ({ type: "phase", at: at(), phase }),
  progress: (step: number, of: number): EventLine => ({ type: "progress", at: at(), step, of, unit: "step" }),
  metric: (name: string, step: number, value: number): EventLine => ({
    type: "metric",
    at: at(),
    name,
    step,
    value,
  }),
  heartbeat: (): EventLine => ({ type: "heartbeat", at: at() }),
  checkpoint: (step: number, sha = `ckpt ${step}`): EventLine => ({
    type: "checkpoint",
    at: at(),
    path: `/w/step-${step}`,
    step,
    sha256: hash(sha),
    bytes: 10,
    cursor: { row: step * 8 },
  }),
  artifact: (kind: string, content = kind): EventLine => ({
    type: "artifact",
    at: at(),
    kind,
    path: `/w/output/${kind}`,
    sha256: hash(content),
    bytes: 10,
    meta: {},
  }),
  succeeded: (metrics: Record<string, number> = {}): EventLine => ({
    type: "result",
    at: at(),
    status: "succeeded",
    metrics,
    summary: { text: "done" },
  }),
  failed: (reason: string, message = reason): EventLine => ({
    type: "result",
    at: at(),
    status: "failed",
    reason,
    message,
  }),
};

/** The whole life of a worker that succeeds: its outputs and metrics. */
export function success(spec: LaunchSpec, outputs = ["model"], metrics: Record<string, number> = {}): Script {
  const artifacts = outputs.map((kind) => line.artifact(kind, `${spec.job.stage} ${kind}`));
  return {
    lines: [line.started(spec), ...artifacts, line.succeeded(metrics)],
    exit: { code: 0 },
  };
}

/** An agent over the real HTTP API, without processes: its workers are scripts. */
export class ScriptedAgent {
  readonly #plane: Served;
  readonly node: string;
  /** Attempts it holds, with the offset acknowledged. */
  readonly held = new Map<string, { spec: LaunchSpec; offset: number }>();
  slots = 2;
  /** Of its own folder; without it, it shares serve's. */
  workspace: string | undefined;
  npus = 0;

  constructor(plane: Served, node = "n1") {
    this.#plane = plane;
    this.node = node;
  }

  async post(path: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(new URL(path, this.#plane.address), {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.#plane.token}` },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** One sync; new assignments are held from now on. */
  async sync(): Promise<SyncReply> {
    const agent = {
      pid: 1,
      build: "test",
      address: "",
      engines: ["process"],
      npus: this.npus,
      slots: this.slots,
      info: {},
      workspace: this.workspace,
    };
    const attempts = [...this.held.values()].map(({ spec }) => ({
      attempt: spec.attempt,
      epoch: spec.epoch,
      state: "running",
    }));
    const { status, body } = await this.post(`/v1/nodes/${this.node}/sync`, { agent, attempts });
    if (status !== 200) throw new Error(`sync: ${status} ${JSON.stringify(body)}`);
    const reply = body as unknown as SyncReply;
    for (const spec of reply.assignments) this.held.set(spec.attempt, { spec, offset: 0 });
    for (const name of [...this.held.keys()]) {
      if (!reply.known.includes(name) && !reply.assignments.some(({ attempt }) => attempt === name))
        this.held.delete(name);
    }
    return reply;
  }

  /** Posts lines as if they were the next bytes of the attempt's file. */
  async lines(
    attempt: string,
    lines: EventLine[],
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const { spec, offset } = this.held.get(attempt)!;
    const bytes = lines.reduce((sum, one) => sum + JSON.stringify(one).length + 1, 0);
    const answer = await this.post(`/v1/attempts/${attempt}/events`, {
      epoch: spec.epoch,
      offset,
      bytes,
      lines,
    });
    if (answer.status === 200) this.held.set(attempt, { spec, offset: offset + bytes });
    return answer;
  }

  async exit(attempt: string, exit: NonNullable<Script["exit"]>): Promise<number> {
    const { spec } = this.held.get(attempt)!;
    const { code, signal = null, lost = false } = exit;
    const { status } = await this.post(`/v1/attempts/${attempt}/exit`, {
      epoch: spec.epoch,
      code,
      signal,
      lost,
      at: at(),
    });
    this.held.delete(attempt);
    return status;
  }

  async play(attempt: string, { lines, exit }: Script): Promise<void> {
    if (lines) await this.lines(attempt, lines);
    if (exit) await this.exit(attempt, exit);
  }

  /**
   * Syncs and plays scripts until `done` says so. `script` is asked once for every attempt that starts.
   * @returns the attempts in the order they were started
   */
  async work(script: (spec: LaunchSpec) => Script, done: () => Promise<boolean>): Promise<LaunchSpec[]> {
    const started: LaunchSpec[] = [];
    for (const until = Date.now() + patienceMs; Date.now() < until; ) {
      const { assignments } = await this.sync();
      for (const spec of assignments) {
        started.push(spec);
        await this.play(spec.attempt, script(spec));
      }
      await this.#plane.look();
      if (await done()) return started;
    }
    throw new Error(`not done after ${patienceMs} ms: ${started.map(({ attempt }) => attempt).join(", ")}`);
  }
}
