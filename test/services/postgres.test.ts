import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

test("answers queries as the database legalone", async () => {
  const client = new pg.Client(servers.database);
  await client.connect();
  const { rows } = await client.query("select current_database() as name, version() as version");
  await client.end();
  expect(rows[0].name).toBe("legalone");
  expect(rows[0].version).toMatch(/^PostgreSQL 18/);
});
