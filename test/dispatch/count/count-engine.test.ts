import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readBatch } from "../../../src/dispatch/agent/event-tail.ts";
import { CountEngine } from "../../../src/dispatch/count/count-engine.ts";
import { faultsOfEvent } from "../../../src/worker/protocol.ts";

let attempts: string;
beforeAll(() => {
  attempts = mkdtempSync(join(tmpdir(), "legalone-count-"));
});
afterAll(() => rmSync(attempts, { recursive: true }));

test("an attempt ends well at once; a new agent finds it until its end is recorded", async () => {
  const launch = {
    attempt: "a-e1",
    epoch: 1,
    folder: join(attempts, "a-e1"),
    job: { epoch: 1 },
    main: [],
    env: {},
  };
  const engine = new CountEngine(attempts, "n1");
  expect(await engine.observe("a-e1")).toEqual({ state: "lost" });
  await engine.start(launch);
  await engine.start(launch);
  expect(await engine.observe("a-e1")).toMatchObject({ state: "exited", exit: { code: 0 } });
  const batch = readBatch(join(attempts, "a-e1", "events.jsonl"), 0, true);
  const events = batch!.lines.map(({ text }) => JSON.parse(text) as { type: string });
  expect(events.map(({ type }) => type)).toEqual(["started", "result"]);
  for (const event of events) expect(faultsOfEvent(event)).toEqual([]);
  expect(await new CountEngine(attempts, "n1").adopt()).toEqual(["a-e1"]);
  await engine.forget("a-e1");
  expect(await new CountEngine(attempts, "n1").adopt()).toEqual([]);
});
