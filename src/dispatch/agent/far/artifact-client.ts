import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { UploadState } from "../../transfer/artifact-store.ts";
import { passes, refuseTaken, type ServeAddress, ServeAway, ServeRefuses } from "../serve-client.ts";

/** A connection on which nothing moves for so long is given up. */
const silenceMs = 60_000;
/** Files that are on their way at once. */
export const lanes = 4;

/** Serve says that the attempt is over: what it still sends counts for nothing. */
export class Stale extends Error {
  override readonly name = "Stale";
}

/** Which attempt sends, as serve fences it. */
export interface Sender {
  attempt: string;
  epoch: number;
}

interface Call {
  method: "GET" | "POST" | "PUT";
  path: string;
  headers?: Record<string, string | number>;
  body?: Readable | Buffer;
  signal: AbortSignal;
}

/** The routes of artifacts, as agents of other machines use them. Bodies are streams: nothing is held in memory. */
export class ArtifactClient {
  private readonly find: () => ServeAddress;
  private readonly instance: string | undefined;
  private readonly http = new HttpAgent({ keepAlive: true, maxSockets: lanes });
  private readonly https = new HttpsAgent({ keepAlive: true, maxSockets: lanes });

  /** `instance` names the agent in all that it uploads, as in its lines. */
  constructor(find: () => ServeAddress, instance?: string) {
    this.find = find;
    this.instance = instance;
  }

  close(): void {
    this.http.destroy();
    this.https.destroy();
  }

  /** The manifest of a committed artifact. */
  async manifest(sha256: string, signal: AbortSignal): Promise<Buffer> {
    return body(await this.call({ method: "GET", path: `/v1/artifacts/${sha256}`, signal }));
  }

  /** The bytes of a file of it, from `offset` on. */
  async file(
    sha256: string,
    index: number,
    offset: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    const headers = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const path = `/v1/artifacts/${sha256}/files/${index}`;
    return awayWhenCut(await this.call({ method: "GET", path, headers, signal }));
  }

  /** Begins an upload or goes on with it. */
  async begin(sender: Sender, sha256: string, manifest: Buffer, signal: AbortSignal): Promise<UploadState> {
    const answer = await this.call({
      method: "POST",
      path: this.uploadPath(sender, sha256),
      body: manifest,
      signal,
    });
    return JSON.parse((await body(answer)).toString("utf8")) as UploadState;
  }

  /** Sends the `bytes` bytes of a file that are still to come. */
  async send(
    sender: Sender,
    sha256: string,
    { index, offset, bytes }: { index: number; offset: number; bytes: number },
    content: Readable,
    signal: AbortSignal,
  ): Promise<void> {
    const path = this.uploadPath(sender, sha256, `/files/${index}`, `&offset=${offset}`);
    await body(
      await this.call({ method: "PUT", path, headers: { "content-length": bytes }, body: content, signal }),
    );
  }

  async commit(sender: Sender, sha256: string, signal: AbortSignal): Promise<void> {
    await body(
      await this.call({
        method: "POST",
        path: this.uploadPath(sender, sha256, "/commit"),
        body: Buffer.of(),
        signal,
      }),
    );
  }

  private uploadPath({ attempt, epoch }: Sender, sha256: string, below = "", more = ""): string {
    const who = this.instance === undefined ? "" : `&instance=${encodeURIComponent(this.instance)}`;
    return `/v1/attempts/${encodeURIComponent(attempt)}/uploads/${sha256}${below}?epoch=${epoch}${who}${more}`;
  }

  private async call(call: Call): Promise<IncomingMessage> {
    const response = await this.exchange(call);
    const status = response.statusCode ?? 0;
    if (status < 300) return response;
    const answer = (await body(response)).toString("utf8");
    if (status === 409) refuseTaken(answer);
    const text = answer.slice(0, 500);
    const message = `serve answered ${status} to ${call.method} ${call.path}: ${text}`;
    if (call.path.startsWith("/v1/attempts/") && status === 409) throw new Stale(message);
    // What is not whole is gone on with.
    if (passes(status) || status === 412 || status === 416) throw new ServeAway(message);
    throw new ServeRefuses(status, message);
  }

  private exchange({ method, path, headers = {}, body: sent, signal }: Call): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { address, token } = this.find();
      const url = new URL(path, address);
      const secure = url.protocol === "https:";
      const type = sent === undefined ? {} : { "content-type": "application/octet-stream" };
      const length = Buffer.isBuffer(sent) ? { "content-length": sent.length } : {};
      const request = (secure ? httpsRequest : httpRequest)(url, {
        method,
        headers: { ...headers, ...type, ...length, authorization: `Bearer ${token}` },
        agent: secure ? this.https : this.http,
        timeout: silenceMs,
        signal,
      });
      // Both orders occur: an answer while bytes are still being sent, and an end without any.
      const failed = (cause: Error) => {
        if (sent instanceof Readable) sent.destroy();
        reject(
          signal.aborted || isLocal(cause)
            ? cause
            : new ServeAway(`serve cannot be reached: ${cause.message}`, { cause }),
        );
      };
      request.on("timeout", () => request.destroy(new Error(`nothing moved for ${silenceMs / 1000} s`)));
      request.on("error", failed);
      request.on("response", (response) => {
        if (sent instanceof Readable && (response.statusCode ?? 0) >= 300) sent.destroy();
        resolve(response);
      });
      if (sent instanceof Readable) pipeline(sent, request).catch(failed);
      else request.end(sent);
    });
  }
}

/** An error of this machine's own files, not of the connection. */
function isLocal(error: Error): boolean {
  return ["ENOENT", "EACCES", "EIO", "EISDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}

async function body(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of awayWhenCut(response)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* awayWhenCut(response: IncomingMessage): AsyncIterable<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (cause) {
    throw new ServeAway(`the connection to serve was cut: ${(cause as Error).message}`, { cause });
  }
}
