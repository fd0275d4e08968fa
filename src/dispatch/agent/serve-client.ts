import { readFileSync } from "node:fs";
import type { EventBatch, ExitReport, NodeHolder, SyncReply, SyncRequest } from "../api/contract.ts";

/** Where serve answers, and the token it asks for. */
export interface ServeAddress {
  address: string;
  token: string;
}

/** Serve cannot be reached, is busy, or does not know us yet: the same request will do later. */
export class ServeAway extends Error {
  override readonly name = "ServeAway";
  /** `refused`: it does not know our token, which passes by itself only where serve has just begun anew. */
  how: "away" | "refused" = "away";
}

/** Serve refuses the request itself; sending it again changes nothing. */
export class ServeRefuses extends Error {
  override readonly name = "ServeRefuses";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Another instance holds the name of this node: nothing that this one sends counts. */
export class NodeTaken extends Error {
  override readonly name = "NodeTaken";
  readonly holder: NodeHolder | undefined;

  constructor(message: string, holder: NodeHolder | undefined) {
    super(message);
    this.holder = holder;
  }
}

/** What serve says to lines of an event file. */
export type EventsAnswer =
  | {
      status: "accepted";
      acknowledged: number;
      desired: "RUN" | "STOP";
      graceSeconds?: number;
      keep?: number[];
    }
  | { status: "stale" }
  | { status: "wrong_offset"; acknowledged: number };

const patienceMs = 15_000;
/** An agent that leaves does not wait for a serve that is away. */
const leavingMs = 2000;

/** The HTTP API of serve, as agents use it. */
export class ServeClient {
  private readonly find: () => ServeAddress;
  private readonly instance: { instance?: string };

  /**
   * `find` is asked before every request, since a restarted serve has another port and token. `instance` names the agent in
   * all that it sends.
   */
  constructor(find: () => ServeAddress, instance?: string) {
    this.find = find;
    this.instance = instance === undefined ? {} : { instance };
  }

  /** @throws NodeTaken */
  async sync(node: string, request: SyncRequest): Promise<SyncReply> {
    const agent = { ...request.agent, ...this.instance };
    const { body } = await this.post(`/v1/nodes/${encodeURIComponent(node)}/sync`, { ...request, agent });
    return body as SyncReply;
  }

  /** Gives the node's name back. */
  async leave(node: string): Promise<void> {
    if (this.instance.instance === undefined) return;
    await this.post(`/v1/nodes/${encodeURIComponent(node)}/leave`, this.instance, [], leavingMs);
  }

  async events(attempt: string, batch: EventBatch): Promise<EventsAnswer> {
    const { status, body } = await this.post(
      `/v1/attempts/${encodeURIComponent(attempt)}/events`,
      { ...batch, ...this.instance },
      [404, 409, 416],
    );
    if (status === 404 || status === 409) return { status: "stale" };
    const answer = body as { acknowledged: number; desired: "RUN" | "STOP"; graceSeconds?: number };
    if (status === 416) return { status: "wrong_offset", acknowledged: answer.acknowledged };
    return { ...answer, status: "accepted" };
  }

  /** False when the attempt is stale or has ended already: nothing was changed. */
  async exit(attempt: string, report: ExitReport): Promise<boolean> {
    const { status } = await this.post(
      `/v1/attempts/${encodeURIComponent(attempt)}/exit`,
      { ...report, ...this.instance },
      [404, 409],
    );
    return status < 300;
  }

  private async post(
    path: string,
    sent: unknown,
    expected: number[] = [],
    waitMs = patienceMs,
  ): Promise<{ status: number; body: unknown }> {
    let response: Response;
    let text: string;
    try {
      const { address, token } = this.find();
      response = await fetch(new URL(path, address), {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify(sent),
        signal: AbortSignal.timeout(waitMs),
      });
      text = await response.text();
    } catch (cause) {
      throw new ServeAway(`serve cannot be reached: ${reasonOf(cause)}`, { cause });
    }
    const { status } = response;
    if (status === 409) refuseTaken(text);
    if (status < 300 || expected.includes(status)) return { status, body: parse(text) };
    // An output that serve no longer has is uploaded again.
    if (passes(status) || status === 424)
      throw Object.assign(new ServeAway(`serve answered ${status} to ${path}: ${text.slice(0, 300)}`), {
        how: status === 401 || status === 403 ? "refused" : "away",
      });
    throw new ServeRefuses(status, `serve refused ${path} with ${status}: ${text.slice(0, 300)}`);
  }
}

/** Whether an answer comes from something that passes: a token of an older serve, a proxy, a database that is away. */
export function passes(status: number): boolean {
  return [401, 403, 408, 429].includes(status) || status >= 500;
}

/** Reads serve.json of a workspace. @throws ServeAway when there is none */
export function addressFromFile(path: string): ServeAddress {
  try {
    const { address, token } = JSON.parse(readFileSync(path, "utf8")) as ServeAddress;
    return { address, token };
  } catch (cause) {
    throw new ServeAway(`no ${path}: serve does not run`, { cause });
  }
}

/** @throws NodeTaken when that is what the 409 says */
export function refuseTaken(text: string): void {
  const { code, message, holder } = parse(text) as { code?: string; message?: string; holder?: NodeHolder };
  if (code === "E_NODE_TAKEN") throw new NodeTaken(String(message), holder);
}

function parse(text: string): unknown {
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch (cause) {
    throw new ServeAway(`serve answered no JSON: ${text.slice(0, 100)}`, { cause });
  }
}

/** fetch hides the reason one level down. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
