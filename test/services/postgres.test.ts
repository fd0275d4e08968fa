import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ConnectionSpec } from "../../src/core/connections.ts";
import { postgresStatus, startPostgres, stopPostgres } from "../../src/services/postgres.ts";
import { openWorkspace, type TestWorkspace } from "../support/servers.ts";

let workspace: TestWorkspace;
let spec: ConnectionSpec;
beforeAll(async () => {
  workspace = openWorkspace();
  spec = await startPostgres(workspace.home);
});
afterAll(async () => {
  await stopPostgres(workspace.home);
  workspace.remove();
});

async function query(text: string): Promise<unknown[]> {
  const client = new pg.Client(spec);
  await client.connect();
  try {
    return (await client.query({ text, rowMode: "array" })).rows.map(([value]: unknown[]) => value);
  } finally {
    await client.end();
  }
}

async function pid(): Promise<number> {
  const status = await postgresStatus(workspace.home);
  expect(status).toEqual({ state: "running", pid: expect.any(Number) });
  return status.pid ?? 0;
}

test("is PostgreSQL 18 with a database legalone that compares text by code point", async () => {
  expect(await query("select current_database()")).toEqual(["legalone"]);
  expect(await query("show server_version")).toEqual([expect.stringMatching(/^18/)]);
  expect(await query("select 'Z' < 'a'")).toEqual([true]);
});

test("listens on its socket only", async () => {
  expect(await query("show listen_addresses")).toEqual([""]);
});

test("a second start finds the first; two at once start one", async () => {
  const before = await pid();
  expect(await startPostgres(workspace.home)).toEqual(spec);
  expect(await pid()).toBe(before);
  await stopPostgres(workspace.home);
  await Promise.all([startPostgres(workspace.home), startPostgres(workspace.home)]);
  expect(
    await query("select count(*)::int from pg_stat_activity where backend_type = 'checkpointer'"),
  ).toEqual([1]);
});

test("starts again at once after a kill -9, with what was committed", async () => {
  await query("create table kept as select 7 as n");
  const open = new pg.Client(spec);
  open.on("error", () => {});
  await open.connect();
  process.kill(await pid(), "SIGKILL");
  const deadline = Date.now() + 5000;
  while ((await postgresStatus(workspace.home)).state === "running" && Date.now() < deadline) await sleep(5);
  expect(await startPostgres(workspace.home)).toEqual(spec);
  expect(await query("select n from kept")).toEqual([7]);
  await open.end().catch(() => {});
});

test("stops and says so; a stop of nothing says that", async () => {
  expect(await stopPostgres(workspace.home)).toBe(true);
  expect(await postgresStatus(workspace.home)).toEqual({ state: "stopped" });
  expect(await stopPostgres(workspace.home)).toBe(false);
  await startPostgres(workspace.home);
  expect(await query("select n from kept")).toEqual([7]);
});

test("with LEGALONE_DATABASE_URL nothing embedded starts", async () => {
  process.env.LEGALONE_DATABASE_URL = "postgresql://ann:secret@db.example:6000/trains?sslmode=require";
  try {
    const elsewhere = await startPostgres(`${workspace.home}/other`);
    expect(elsewhere).toMatchObject({
      host: "db.example",
      port: 6000,
      user: "ann",
      database: "trains",
      tls: "on",
    });
    expect(await postgresStatus(`${workspace.home}/other`)).toEqual({ state: "external" });
    expect(await stopPostgres(`${workspace.home}/other`)).toBe(false);
  } finally {
    delete process.env.LEGALONE_DATABASE_URL;
  }
});
