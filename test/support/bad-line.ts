import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A TCP line to a server that is as bad as a test wants. */
export interface BadLine {
  address: string;
  /** Bytes that went through, both ways. */
  bytes: number;
  cuts: number;
  /** Every connection is cut after so many bytes. */
  cutAfter: number;
  bytesPerSecond: number;
  close(): Promise<void>;
}

export async function openBadLine(target: string): Promise<BadLine> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    let passed = 0;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    }
    const pass = async (from: Socket, to: Socket) => {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        passed += chunk.length;
        line.bytes += chunk.length;
        if (passed > line.cutAfter) {
          line.cuts++;
          near.resetAndDestroy();
          far.resetAndDestroy();
          return;
        }
        if (Number.isFinite(line.bytesPerSecond)) await sleep((chunk.length / line.bytesPerSecond) * 1000);
        if (!to.write(chunk)) await once(to, "drain");
      }
      to.end();
    };
    pass(near, far).catch(() => far.destroy());
    pass(far, near).catch(() => near.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const line: BadLine = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: 0,
    cuts: 0,
    cutAfter: Number.POSITIVE_INFINITY,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return line;
}
