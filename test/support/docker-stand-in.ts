import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { constants } from "node:os";

interface Container {
  id: string;
  name: string;
  labels: Record<string, string>;
  options: { Cmd: string[]; WorkingDir: string; Env: string[] };
  child?: ChildProcess;
  code?: number;
}

/**
 * A stand-in for Docker where none is: the part of its HTTP API that the container engine uses, on a unix socket. Its containers
 * are plain processes of this machine in sessions of their own, without images, mounts or namespaces; they outlive the
 * socket, as containers outlive a daemon that is restarted with live-restore.
 */
export class DockerStandIn {
  readonly socket: string;
  readonly containers = new Map<string, Container>();
  #server: Server | undefined;
  #serial = 0;

  constructor(socket: string) {
    this.socket = socket;
  }

  async open(): Promise<void> {
    const server = createServer((request, response) => {
      void this.#answer(request).then(({ status, body }) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(body === undefined ? undefined : JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(this.socket, resolve));
    this.#server = server;
  }

  /** The daemon goes; its containers stay. The socket's file goes with it. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  /** Ends all that runs. */
  killAll(): void {
    for (const container of this.containers.values()) signalled(container, "SIGKILL");
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body?: unknown }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const sent = JSON.parse(Buffer.concat(chunks).toString() || "{}") as Record<string, unknown>;
    const url = new URL(request.url ?? "/", "http://docker");
    const [what, name = "", action = ""] = url.pathname.split("/").slice(1);
    if (what !== "containers") return { status: 404, body: { message: `no ${url.pathname}` } };
    if (name === "json") return { status: 200, body: this.#list(url.searchParams.get("filters")) };
    if (name === "create") return this.#create(url.searchParams.get("name") ?? "", sent);
    const container = this.#find(decodeURIComponent(name));
    if (container === undefined) return { status: 404, body: { message: `No such container: ${name}` } };
    if (request.method === "DELETE") {
      signalled(container, "SIGKILL");
      this.containers.delete(container.name);
      return { status: 204 };
    }
    if (action === "json") return { status: 200, body: inspected(container) };
    if (action === "start") return { status: started(container) };
    if (action === "kill") {
      const running = container.child !== undefined && container.code === undefined;
      if (!running) return { status: 409, body: { message: "is not running" } };
      signalled(container, (url.searchParams.get("signal") ?? "SIGKILL") as NodeJS.Signals);
      return { status: 204 };
    }
    return { status: 404, body: { message: `no ${url.pathname}` } };
  }

  #find(name: string): Container | undefined {
    return this.containers.get(name) ?? [...this.containers.values()].find(({ id }) => id === name);
  }

  #list(filters: string | null): object[] {
    const { label = [] } = JSON.parse(filters ?? "{}") as { label?: string[] };
    const fits = ({ labels }: Container) =>
      label.every((one) => {
        const [key, value] = one.split("=");
        return value === undefined ? key! in labels : labels[key!] === value;
      });
    return [...this.containers.values()]
      .filter(fits)
      .map(({ id, name, labels }) => ({ Id: id, Names: [`/${name}`], Labels: labels }));
  }

  #create(name: string, sent: Record<string, unknown>): { status: number; body: unknown } {
    if (this.containers.has(name)) return { status: 409, body: { message: `name ${name} is in use` } };
    if (sent.Image === "no/such:image")
      return { status: 404, body: { message: "No such image: no/such:image" } };
    this.#serial += 1;
    const id = this.#serial.toString(16).padStart(64, "d");
    const labels = (sent.Labels ?? {}) as Record<string, string>;
    this.containers.set(name, { id, name, labels, options: sent as unknown as Container["options"] });
    return { status: 201, body: { Id: id, Warnings: [] } };
  }
}

function started(container: Container): number {
  if (container.child !== undefined) return 304;
  const { Cmd, WorkingDir, Env } = container.options;
  const set = Object.fromEntries(
    Env.map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)]),
  );
  const child = spawn(Cmd[0]!, Cmd.slice(1), {
    cwd: WorkingDir,
    env: { PATH: process.env.PATH, ...set },
    detached: true,
    stdio: "ignore",
  });
  container.child = child;
  child.once("exit", (code, signal) => {
    container.code = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
    // A container ends whole.
    if (child.pid !== undefined) kill(-child.pid, "SIGKILL");
  });
  return 204;
}

function inspected({ id, name, labels, child, code }: Container): object {
  const status = code !== undefined ? "exited" : child === undefined ? "created" : "running";
  const ended = code === undefined ? "0001-01-01T00:00:00Z" : new Date().toISOString();
  return {
    Id: id,
    Name: `/${name}`,
    Config: { Labels: labels },
    State: { Status: status, ExitCode: code ?? 0, FinishedAt: ended, OOMKilled: false },
  };
}

/** Docker signals the first process; its KILL ends all. */
function signalled({ child, code }: Container, name: NodeJS.Signals): void {
  if (child?.pid === undefined || code !== undefined) return;
  kill(name === "SIGKILL" ? -child.pid : child.pid, name);
}

function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}
