import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLog } from "../../src/core/log.ts";
import { openDatabase, poolConfig } from "../../src/records/database.ts";
import { commitHappenings, LostOffice } from "../../src/records/happenings.ts";
import { Leadership } from "../../src/records/leadership.ts";
import { submitRun } from "../../src/records/runs.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { runOf } from "../support/pipelines.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let first: ControlPlane;
beforeAll(async () => {
  servers = await startServers();
  first = await startControlPlane(servers.database);
});
afterAll(() => servers.stop());

test("of two serves on one database one decides; at its end the other takes over", async () => {
  const starting = startControlPlane(servers.database);
  const { run } = await submitRun(first.database, runOf([{ name: "base" }]));
  const state = async () => (await first.database.stage.findFirstOrThrow({ where: { runId: run } })).state;
  await expect.poll(state).toBe("READY");
  let second: ControlPlane | undefined;
  void starting.then((plane) => {
    second = plane;
  });
  expect(second, "waits for the lead").toBeUndefined();
  await first.stop();
  await expect.poll(() => second !== undefined).toBe(true);
  const later = await submitRun(second!.database, runOf([{ name: "other" }]));
  const other = async () =>
    (await second!.database.stage.findFirstOrThrow({ where: { runId: later.run } })).state;
  await expect.poll(other).toBe("READY");
  await second!.stop();
});

test("a holder that no longer renews is put out of office, and what it still writes is refused", async () => {
  const hung = new pg.Client(poolConfig(servers.database));
  const cutOff = new Promise<Error>((resolve) => hung.on("error", resolve));
  await hung.connect();
  // As a serve that was stopped in the middle of its term looks from outside.
  await hung.query("select pg_advisory_lock(7140002)");
  const { rows } = await hung.query<{ term: number }>(
    `insert into "Leader" values (1, 1, 'hung', pg_backend_pid(), now() + interval '0.3 s')
     on conflict (id) do update set term = "Leader".term + 1, backend = excluded.backend, "leaseUntil" = excluded."leaseUntil"
     returning term`,
  );
  const next = await startControlPlane(servers.database);
  expect((await cutOff).message).toMatch(/terminat/);
  const { run } = await submitRun(next.database, runOf([{ name: "base" }]));
  await expect
    .poll(async () => (await next.database.stage.findFirstOrThrow({ where: { runId: run } })).state)
    .toBe("READY");
  const late = openDatabase(servers.database);
  const write = commitHappenings(late, [{ runId: run, type: "worker.late", changes: [] }], {
    term: rows[0]!.term,
  });
  await expect(write).rejects.toBeInstanceOf(LostOffice);
  expect(await late.event.count({ where: { type: "worker.late" } })).toBe(0);
  await late.$disconnect();
  await next.stop();
});

test("one that is closed while its server has accepted it and said nothing comes to its end", async () => {
  const silent = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const spec = { host: "127.0.0.1", port, user: "u", database: "d" };
  const log = createLog({ level: "error" });
  const leadership = Leadership.start(spec, { wake: () => {}, log, leaseMs: 60_000 });
  await once(silent, "connection");
  await leadership.close();
  expect(leadership.office).toBeUndefined();
  silent.close();
});
