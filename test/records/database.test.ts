import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
  connectionsOf,
  type Database,
  databaseError,
  isOverload,
  isUnreachable,
  openDatabase,
} from "../../src/records/database.ts";
import { dumpRecords } from "../../src/records/dump.ts";
import { checkMigrations, migrate } from "../../src/records/migrate.ts";
import { claimRecords, recordsName } from "../../src/records/workspace.ts";
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

/** A server that does this with whoever connects. */
async function serverThat(greet: (socket: Socket) => void) {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    greet(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

const refusal = (state: string) => message("E", Buffer.from(`SFATAL\0VFATAL\0C${state}\0Mnot you\0\0`));
const login = (way: number) => message("R", Buffer.from([0, 0, 0, way]));
/** Whatever keeps a process from its database, with what the error is to say. */
const away: [string, (socket: Socket) => void, RegExp][] = [
  ["accepts and says nothing", (socket) => socket.resume(), /cannot be reached/],
  ["closes at once", (socket) => socket.destroy(), /cannot be reached/],
  [
    "is another kind of server",
    (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    /cannot be reached/,
  ],
  ["starts", (socket) => socket.end(refusal("57P03")), /cannot be reached/],
  ["has no room", (socket) => socket.end(refusal("53300")), /cannot be reached/],
  ["knows no such user", (socket) => socket.end(refusal("28P01")), /does not let nobody in/],
  ["asks for another way to log in", (socket) => socket.write(login(7)), /answer cannot be read/],
  ["asks for one that nobody knows", (socket) => socket.write(login(99)), /answer cannot be read/],
  ["cuts its words short", (socket) => socket.write(message("R", Buffer.alloc(0))), /answer cannot be read/],
  ["has no such database", (socket) => socket.end(refusal("3D000")), /does not let nobody in/],
];

test.each(away)(
  "a server that %s is a database that is away, for everybody who asks it",
  async (_, greet, said) => {
    const { port, close } = await serverThat(greet);
    const spec = { host: "127.0.0.1", port, user: "nobody", database: "none" };
    const claim = { id: "name", home: servers.home };
    const pooled = openDatabase(spec);
    const asking: Record<string, Promise<unknown>> = {
      query: pooled.$queryRaw`select 1`.catch((error: unknown) => Promise.reject(databaseError(error, spec))),
      table: pooled.run.findMany().catch((error: unknown) => Promise.reject(databaseError(error, spec))),
      transaction: pooled
        .$transaction((writer) => writer.$queryRaw`select 1`)
        .catch((error: unknown) => Promise.reject(databaseError(error, spec))),
      claim: claimRecords(spec, claim),
      name: recordsName(spec),
      check: checkMigrations(spec),
      migrate: migrate(spec),
      dump: dumpRecords(spec, join(servers.home, "dump")),
    };
    const errors = await Promise.all(
      Object.entries(asking).map(async ([who, work]) => ({
        who,
        error: await work.catch((caught) => caught),
      })),
    );
    for (const { who, error } of errors) {
      expect(error, who).toMatchObject({ code: "E_DATABASE", hint: expect.any(String) });
      expect((error as Error).message, who).toMatch(said);
    }
    await pooled.$disconnect();
    close();
  },
);

/** Resolves for both when both have come. */
function meeting(): () => Promise<void> {
  let come = 0;
  let open = () => {};
  const both = new Promise<void>((resolve) => {
    open = resolve;
  });
  return () => {
    if (++come >= 2) open();
    return both;
  };
}

test("transactions that deadlock are all done in the end", async () => {
  await db.$executeRaw`create table account (id int primary key, amount int)`;
  await db.$executeRaw`insert into account values (1, 0), (2, 0)`;
  const met = meeting();
  const move = (first: number, second: number) =>
    db.$transaction(async (writer) => {
      await writer.$executeRaw`update account set amount = amount + 1 where id = ${first}`;
      await met();
      await writer.$executeRaw`update account set amount = amount + 1 where id = ${second}`;
    });
  await Promise.all([move(1, 2), move(2, 1)]);
  expect(await db.$queryRaw`select amount from account order by id`).toEqual([{ amount: 2 }, { amount: 2 }]);
});

test("transactions that cannot be put in an order are all done in the end", async () => {
  await db.$executeRaw`create table counter (amount int)`;
  await db.$executeRaw`insert into counter values (0)`;
  const met = meeting();
  const count = () =>
    db.$transaction(
      async (writer) => {
        const [row] = await writer.$queryRaw<{ amount: number }[]>`select amount from counter`;
        await met();
        await writer.$executeRaw`update counter set amount = ${row!.amount + 1}`;
      },
      { isolationLevel: "Serializable" },
    );
  await Promise.all([count(), count()]);
  expect(await db.$queryRaw`select amount from counter`).toEqual([{ amount: 2 }]);
});

test("a single statement that meets a deadlock is done in the end; one that always does is an error that says so", async () => {
  await db.$executeRaw`create table meets (tries int)`;
  await db.$executeRaw`create sequence tried`;
  await db.$executeRaw`create function dies(int) returns int language plpgsql as
    'begin if nextval(''tried'') < $1 then raise exception ''deadlock detected'' using errcode = ''40P01''; end if; return 1; end'`;
  expect(await db.$queryRaw`select dies(3::int) as done`).toEqual([{ done: 1 }]);
  const error = await db.$executeRaw`select dies(1000::int)`.catch((caught: unknown) => caught);
  expect(databaseError(error)).toMatchObject({
    code: "E_DATABASE",
    message: expect.stringContaining("for the sake of other transactions"),
  });
});

test("a pool that has no connection free says so, and is not taken for a server that is away", async () => {
  const narrow = openDatabase(servers.database, 1);
  const held = narrow.$transaction((writer) => writer.$executeRaw`select pg_sleep(6)`);
  await vi.waitFor(() => expect(connectionsOf(narrow)).toMatchObject({ limit: 1, inUse: 1 }));
  const error = await narrow.$queryRaw`select 1`.catch((caught: unknown) => caught);
  expect(isOverload(error), String(error)).toBe(true);
  expect(isUnreachable(error), "agents keep what they have and come again").toBe(true);
  expect(databaseError(error)).toMatchObject({
    code: "E_DATABASE",
    message: expect.stringMatching(/answers, but this process had no connection free: .*all 1 connections/s),
  });
  expect(connectionsOf(narrow)).toMatchObject({ timedOut: 1 });
  await held;
  expect(await narrow.$queryRaw`select 1 as one`).toEqual([{ one: 1 }]);
  await narrow.$disconnect();
});
