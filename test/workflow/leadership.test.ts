import { afterAll, beforeAll, expect, test } from "vitest";
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
