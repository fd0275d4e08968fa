import { execFileSync } from "node:child_process";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { debugBundle } from "../../../src/cli/actions/debug-bundle.ts";
import { follow } from "../../../src/cli/actions/follow.ts";
import { type Database, openDatabase, poolConfig } from "../../../src/records/database.ts";
import { migrate } from "../../../src/records/migrate.ts";
import { writeEndedRun } from "../../support/history.ts";
import { type Servers, startServers } from "../../support/servers.ts";

let servers: Servers;
let db: Database;
let run: string;
let events: number;
beforeAll(async () => {
  servers = await startServers();
  await migrate(servers.database);
  db = openDatabase(servers.database);
  const client = new pg.Client(poolConfig(servers.database));
  await client.connect();
  run = await writeEndedRun(client, { shards: 200 });
  await client.query(
    `insert into "Event" ("runId", "stageId", at, type, data)
     select $1, $1 || '-fan-g1', now() - interval '1 h', 'worker.phase', '{"phase": "training"}' from generate_series(1, 130000)`,
    [run],
  );
  await client.end();
  events = await db.event.count({ where: { runId: run } });
});
afterAll(async () => {
  await db.$disconnect();
  await servers.stop();
});

test("watch --json tells 130,000 events, each once and in order, in pieces of bounded size", async () => {
  const pieces: string[] = [];
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    pieces.push(String(text));
    return true;
  });
  const code = await follow(db, run, { json: true }).finally(() => write.mockRestore());
  expect(code).toBe(0);
  const lines = pieces.flatMap((text) => text.trimEnd().split("\n"));
  expect(lines).toHaveLength(events + 1);
  const ids = lines.slice(0, -1).map((text) => (JSON.parse(text) as { id: number }).id);
  expect(ids.every((id, i) => i === 0 || id > ids[i - 1]!)).toBe(true);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ type: "verdict", state: "succeeded" });
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(1_000_000);
});

test("the debug bundle holds them all, and the folders of a bounded number of attempts", async () => {
  const output = join(servers.home, "bundle.tar.gz");
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  await debugBundle(run, { output }).finally(() => write.mockRestore());
  const lines = (name: string) =>
    execFileSync("tar", ["-xzOf", output, `legalone-${run}/${name}`], { maxBuffer: 2 ** 28 })
      .toString()
      .trimEnd()
      .split("\n").length;
  expect(lines("events.jsonl")).toBe(events);
  expect(lines("attempts.jsonl")).toBe(220);
});
