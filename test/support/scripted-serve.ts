import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type {
  EventBatch,
  EventLine,
  ExitReport,
  LaunchSpec,
  SyncReply,
  SyncRequest,
} from "../../src/dispatch/api/contract.ts";

/** What the script knows of one attempt. */
export interface ScriptedAttempt {
  spec: LaunchSpec;
  acknowledged: number;
  lines: EventLine[];
  exits: ExitReport[];
  desired: "RUN" | "STOP";
  stale: boolean;
  graceSeconds: number;
  /** Steps that forks are to begin with. */
  keep?: number[];
}

/**
 * A real HTTP server that speaks the API of serve and does what a test tells it: no database, no decisions.
 * It keeps the rules that agents rely on: offsets, epochs, answers.
 */
export class ScriptedServe {
  readonly attempts = new Map<string, ScriptedAttempt>();
  readonly syncs: SyncRequest[] = [];
  readonly token = "scripted";
  address = "";
  /** Set to answer everything with this status, as a serve in trouble does. */
  trouble: number | undefined;
  /** Lines with this type are refused with 400. */
  refuseType: string | undefined;
  /** Every batch arrives twice, and the second answer is the one that comes back, as on some networks. */
  twice = false;
  private server: Server | undefined;
  private port = 0;

  async open(): Promise<void> {
    const server = createServer((request, response) => {
      void this.answer(request).then(({ status, body }) => {
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    this.address = `http://127.0.0.1:${this.port}`;
  }

  /** Ends at once, with all its connections, as a killed serve does. open() brings it back at the same port. */
  async close(): Promise<void> {
    const server = this.server;
    if (server === undefined) return;
    this.server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  assign(spec: LaunchSpec): ScriptedAttempt {
    const attempt: ScriptedAttempt = {
      spec,
      acknowledged: 0,
      lines: [],
      exits: [],
      desired: "RUN",
      stale: false,
      graceSeconds: 20,
    };
    this.attempts.set(spec.attempt, attempt);
    return attempt;
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (this.trouble !== undefined) return { status: this.trouble, body: { error: "trouble" } };
    if (request.headers.authorization !== `Bearer ${this.token}`) return { status: 401, body: {} };
    const sent: unknown = JSON.parse(Buffer.concat(chunks).toString() || "null");
    const [, , collection, name = "", action] = (request.url ?? "").split("/");
    if (collection === "nodes" && action === "sync")
      return { status: 200, body: this.sync(sent as SyncRequest) };
    const attempt = this.attempts.get(decodeURIComponent(name));
    if (attempt === undefined) return { status: 404, body: {} };
    if (action === "events") {
      const first = this.events(attempt, sent as EventBatch);
      return this.twice ? this.events(attempt, sent as EventBatch) : first;
    }
    if (action === "exit") return this.exit(attempt, sent as ExitReport);
    return { status: 404, body: {} };
  }

  private sync(request: SyncRequest): SyncReply {
    this.syncs.push(request);
    const live = [...this.attempts.values()].filter(({ exits, stale }) => exits.length === 0 && !stale);
    const known = new Set(live.map(({ spec }) => spec.attempt));
    return {
      assignments: live.map(({ spec }) => spec),
      stop: live
        .filter(({ desired }) => desired === "STOP")
        .map(({ spec, graceSeconds }) => ({ attempt: spec.attempt, graceSeconds })),
      known: request.attempts.map(({ attempt }) => attempt).filter((attempt) => known.has(attempt)),
      intervalSeconds: 3600,
    };
  }

  private events(attempt: ScriptedAttempt, batch: EventBatch): { status: number; body: unknown } {
    if (attempt.stale || batch.epoch !== attempt.spec.epoch) return { status: 409, body: {} };
    const { acknowledged, desired, graceSeconds, keep } = attempt;
    if (batch.offset !== acknowledged) return { status: 416, body: { acknowledged } };
    if (batch.lines.some(({ type }) => type === this.refuseType)) return { status: 400, body: {} };
    attempt.lines.push(...batch.lines);
    attempt.acknowledged += batch.bytes;
    return { status: 200, body: { acknowledged: attempt.acknowledged, desired, graceSeconds, keep } };
  }

  private exit(attempt: ScriptedAttempt, report: ExitReport): { status: number; body: unknown } {
    if (attempt.stale || report.epoch !== attempt.spec.epoch) return { status: 409, body: {} };
    attempt.exits.push(report);
    return { status: 200, body: {} };
  }
}
