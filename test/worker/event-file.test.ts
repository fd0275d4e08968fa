import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventsOf, readBatch } from "../../src/dispatch/agent/event-tail.ts";
import { openEventFile } from "../../src/worker/event-file.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "legalone-events-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const typesOf = (file: string) => eventsOf(readBatch(file, 0, true)!).map(({ type }) => type);

test("programs of one attempt follow each other in the file", () => {
  const path = join(folder, "two.jsonl");
  for (const step of [1, 2]) {
    const events = openEventFile(path);
    events.write({ type: "progress", step, of: 2, unit: "rows" });
    events.close();
  }
  expect(typesOf(path)).toEqual(["progress", "progress"]);
});

test("a line that a killed program left torn is ended first: the reader quotes it and takes those after it", () => {
  const path = join(folder, "torn.jsonl");
  writeFileSync(path, '{"type":"progress","at":"2026');
  const events = openEventFile(path);
  events.write({ type: "heartbeat" });
  events.write({ type: "phase", phase: "loading" });
  events.close();
  expect(typesOf(path)).toEqual(["warning", "heartbeat", "phase"]);
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(4);
});

test.skipIf(process.platform !== "linux")("a line that does not fit is an error", () => {
  const events = openEventFile("/dev/full");
  expect(() => events.write({ type: "heartbeat" })).toThrow(/ENOSPC/);
});
