import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** `refuse`: no connection. `lose`: the request arrives, the answer does not. `double`: it arrives twice. */
export type NetworkMode = "fine" | "refuse" | "lose" | "double" | "slow";

interface Sent {
  method: string;
  path: string;
  headers: NodeJS.Dict<string | string[]>;
  body: Buffer;
}

interface Reply {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: Buffer;
}

const slowMs = 250;
const rememberedRequests = 40;

/** The cable between agents and serve: agents know only its address. */
export class Network {
  mode: NetworkMode = "fine";
  readonly #target: () => string | undefined;
  readonly #server: Server;
  readonly #past: Sent[] = [];

  private constructor(target: () => string | undefined) {
    this.#target = target;
    this.#server = createServer((incoming, outgoing) => void this.#carry(incoming, outgoing));
  }

  /** `target` tells where serve listens now, if it does. */
  static async open(target: () => string | undefined): Promise<Network> {
    const network = new Network(target);
    await new Promise<void>((resolve) => network.#server.listen(0, "127.0.0.1", resolve));
    return network;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Delivers requests of the past once more, as a network that kept them would. @returns how many */
  async repeatOld(): Promise<number> {
    const old = this.#past.filter(({ path }) => path.includes("/attempts/"));
    for (const sent of old) await this.#deliver(sent).catch(() => {});
    return old.length;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #carry(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const { method = "GET", url = "/", headers } = incoming;
      const sent: Sent = { method, path: url, headers, body: Buffer.concat(chunks) };
      const { mode } = this;
      if (mode === "refuse") throw new Error("the cable is out");
      this.#past.push(sent);
      if (this.#past.length > rememberedRequests) this.#past.shift();
      if (mode === "slow") await sleep(slowMs);
      let reply = await this.#deliver(sent);
      if (mode === "double") reply = await this.#deliver(sent);
      if (mode === "lose") throw new Error("the answer is lost");
      outgoing.writeHead(reply.status, reply.headers).end(reply.body);
    } catch {
      outgoing.destroy();
    }
  }

  #deliver({ method, path, headers, body }: Sent): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const target = this.#target();
      if (target === undefined) return reject(new Error("serve does not run"));
      const { host: _, connection: __, "transfer-encoding": ___, ...kept } = headers;
      const sent = request(new URL(path, target), {
        method,
        headers: { ...kept, "content-length": body.length },
        agent: false,
      });
      sent.setTimeout(5_000, () => sent.destroy(new Error("no answer")));
      sent.once("error", reject);
      sent.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...headers } = response.headers;
          resolve({ status: response.statusCode ?? 502, headers, body: Buffer.concat(chunks) });
        });
      });
      sent.end(body);
    });
  }
}
