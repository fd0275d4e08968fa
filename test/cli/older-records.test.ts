import { afterAll, beforeAll, expect, test } from "vitest";
import { migrate } from "../../src/records/migrate.ts";
import { readMigrations } from "../../src/records/migration-files.ts";
import { type Servers, startServers } from "../support/servers.ts";
import { runCli } from "./run-cli.ts";

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

const words = [
  ["status"],
  ["status", "r1"],
  ["logs", "r1"],
  ["metrics", "r1"],
  ["lineage", "r1"],
  ["report", "r1"],
  ["plan", "pipelines/demo.yaml"],
  ["cancel", "r1"],
];

test("records of an older version are told as such, with the way on, by every command that reads them", {
  timeout: 240_000,
}, async () => {
  const all = (await readMigrations()).map(({ name }) => name);
  const newest = all.at(-1)!;
  // The newest may add no column: of the first version every command misses one.
  await migrate(servers.database, undefined, { upTo: all[0]! });
  for (const command of words) {
    const { code, stderr } = runCli(command, { LEGALONE_HOME: servers.home });
    expect([command, code, stderr]).toEqual([command, 9, expect.stringContaining(newest)]);
    expect(stderr).toContain("legalone up");
  }
  await migrate(servers.database);
  expect(runCli(["status"], { LEGALONE_HOME: servers.home }).code).toBe(0);
});
