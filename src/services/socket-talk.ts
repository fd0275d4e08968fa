import { createConnection } from "node:net";

/** Writes `request` to a unix socket and returns the first bytes of the answer, or undefined when none comes. */
export function ask(socket: string, request: Uint8Array, patienceMs = 1000): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const connection = createConnection({ path: socket });
    const finish = (answer: Buffer | undefined) => {
      connection.destroy();
      resolve(answer);
    };
    connection.setTimeout(patienceMs, () => finish(undefined));
    connection.once("connect", () => connection.write(request));
    connection.once("data", finish);
    connection.once("error", () => finish(undefined));
    connection.once("close", () => resolve(undefined));
  });
}
