import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Database, databaseError, isUnreachable, openDatabase } from "../../src/records/database.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let db: Database;
beforeAll(async () => {
  servers = await startServers();
  db = openDatabase(servers.database);
});
afterAll(async () => {
  await db.$disconnect();
  await servers.stop();
});

test("a connection that is cut within a transaction is a database that is away", async () => {
  const cut = db.$transaction(async (writer) => {
    const [row] = await writer.$queryRaw<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await db.$queryRaw`select pg_terminate_backend(${row!.pid}::int)`;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await writer.$queryRaw`select 1`;
  });
  const error = await cut.catch((caught: unknown) => caught);
  expect(isUnreachable(error), String(error)).toBe(true);
  expect(databaseError(error)).toMatchObject({ code: "E_DATABASE" });
  expect(await db.$queryRaw`select 1 as one`).toEqual([{ one: 1 }]);
});

test("a connection that is cut in the very COMMIT is a database that is away", async () => {
  // A deferred trigger runs within COMMIT, and this one takes its time there.
  await db.$executeRaw`create table slow_commit (id int)`;
  await db.$executeRaw`create function linger() returns trigger language plpgsql as 'begin perform pg_sleep(30); return null; end'`;
  await db.$executeRaw`create constraint trigger lingers after insert on slow_commit deferrable initially deferred for each row execute function linger()`;
  const committing = db.$transaction((writer) => writer.$executeRaw`insert into slow_commit values (1)`);
  const ended = committing.catch((caught: unknown) => caught);
  await vi.waitFor(
    async () => {
      const cut = await db.$queryRaw<unknown[]>`
        select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'commit%' and state = 'active'`;
      expect(cut).toHaveLength(1);
    },
    { timeout: 10_000, interval: 20 },
  );
  const error = await ended;
  expect(isUnreachable(error), JSON.stringify(error)).toBe(true);
  expect(databaseError(error)).toMatchObject({ code: "E_DATABASE" });
});

/** One message of the wire protocol: its letter, its length, its content. */
function message(letter: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(content.length + 4);
  return Buffer.concat([Buffer.from(letter), length, content]);
}

/** PostgreSQL as far as its greeting, with which it ends the connection in the same breath. */
async function endsAtOnce(state: string) {
  const fields = ["SFATAL", "VFATAL", `C${state}`, "Mthe database system is shutting down"];
  const fatal = message("E", Buffer.from(`${fields.map((field) => `${field}\0`).join("")}\0`));
  const greeting = [message("R", Buffer.alloc(4)), message("Z", Buffer.from("I")), fatal];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(Buffer.concat(greeting)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

test("a connection that breaks in the moment it is handed over ends a query, not the process", async () => {
  const { port, close } = await endsAtOnce("57P01");
  const other = openDatabase({ host: "127.0.0.1", port, user: "nobody", database: "none" });
  const asked = await other
    .$transaction((writer) => writer.$queryRaw`select 1`)
    .catch((error: unknown) => error);
  expect(isUnreachable(asked), String(asked)).toBe(true);
  await other.$disconnect();
  close();
});
