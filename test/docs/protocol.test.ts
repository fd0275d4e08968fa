import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { faultsOfEvent, faultsOfJob } from "../../src/worker/protocol.ts";
import { fencedBlocks, readText, tableRows } from "../support/markdown.ts";

interface Definition {
  required?: string[];
  properties: Record<string, unknown>;
}
const schema = JSON.parse(readText("stages/_worker/protocol.schema.json")) as {
  $id: string;
  $defs: Record<string, Definition> & { Event: { oneOf: { $ref: string }[] } };
};
const page = readText("docs/protocol.md");
const python = join(packageRoot, ".venv-test", "bin", "python");

const parseLines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; attempt?: string; reason?: string; sha256?: string });

describe("the examples of docs/protocol.md", () => {
  const job = JSON.parse(fencedBlocks(page, "json job")[0]!) as Record<string, unknown>;
  const events = parseLines(fencedBlocks(page, "jsonl events")[0]!);
  const names = schema.$defs.Event.oneOf.map(({ $ref }) => $ref.replace("#/$defs/", ""));

  it("has a job that fits the schema and shows every field", () => {
    expect(faultsOfJob(job)).toEqual([]);
    expect(Object.keys(job).sort()).toEqual(Object.keys(schema.$defs.Job!.properties).sort());
  });

  it("has an event file that fits the schema and shows every event", () => {
    expect(events.map((event) => faultsOfEvent(event))).toEqual(events.map(() => []));
    expect([...new Set(events.map((event) => event.type))].sort()).toEqual([...names].sort());
    expect(events[0]!.attempt).toBe(job.attempt);
  });

  it("names every field of the job and of each event", () => {
    const listed = tableRows(page, "field").flatMap(([cell]) => cell!.match(/[\w]+/g)!);
    expect(listed.sort()).toEqual(Object.keys(schema.$defs.Job!.properties).sort());
    for (const [cell, , fields] of tableRows(page, "event")) {
      const name = cell!.replaceAll("`", "");
      const expected = Object.keys(schema.$defs[name]!.properties).filter(
        (key) => !["type", "at"].includes(key),
      );
      const seen = [...fields!.replace(/\([^)]*\)/g, "").matchAll(/`(\w+)`/g)].map((match) => match[1]!);
      expect(seen.sort(), name).toEqual(expected.sort());
    }
  });

  it("lists the exit codes and reasons of the Python library", () => {
    const script = `import json
from stages._worker.failures import WorkerFailure
print(json.dumps([["0", "completed"]] + [[str(c.exit_code), c.reason] for c in [WorkerFailure, *WorkerFailure.__subclasses__()]]))`;
    const known = JSON.parse(
      execFileSync(python, ["-c", script], { cwd: packageRoot, encoding: "utf8" }),
    ) as string[][];
    const listed = tableRows(page, "exit").map(([code, reason]) => [code!, reason!.replaceAll("`", "")]);
    expect(listed).toEqual(known.sort((a, b) => Number(a[0]) - Number(b[0])));
  });
});

describe("the worker of docs/protocol.md", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "legalone-protocol-"));
    const kind = join(folder, "stages", "sum");
    mkdirSync(kind, { recursive: true });
    writeFileSync(join(kind, "worker.mjs"), fencedBlocks(page, "js worker")[0]!);
    writeFileSync(join(kind, "run.py"), fencedBlocks(page, "python exec")[0]!);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Starts the stage kind, as an agent does, on a job of `steps`, each `pauseMs` long. */
  function start(name: string, options: { steps: number; pauseMs: number }) {
    const place = join(folder, name);
    mkdirSync(place);
    const job = {
      ...(JSON.parse(fencedBlocks(page, "json job")[0]!) as Record<string, unknown>),
      with: options,
      folder: place,
      output: join(place, "output"),
      events: join(place, "events.jsonl"),
      heartbeatSeconds: 0.05,
    };
    expect(faultsOfJob(job)).toEqual([]);
    writeFileSync(join(place, "job.json"), JSON.stringify(job));
    const child = spawn(python, ["-m", "stages.sum.run", "--job", join(place, "job.json")], {
      cwd: place,
      env: { ...process.env, PYTHONPATH: folder },
      stdio: "ignore",
    });
    return { child, place, events: () => parseLines(readFileSync(job.events, "utf8")) };
  }

  async function exitCode(child: ChildProcess): Promise<number | null> {
    const [code] = (await once(child, "exit")) as [number | null];
    return code;
  }

  it("speaks the protocol and commits an artifact the Python side accepts", async () => {
    const { child, place, events } = start("whole", { steps: 4, pauseMs: 40 });
    expect(await exitCode(child)).toBe(0);
    expect(events().flatMap((event) => faultsOfEvent(event))).toEqual([]);
    expect(events().map((event) => event.type)).toEqual(expect.arrayContaining(["heartbeat", "progress"]));
    expect(events().at(-1)).toMatchObject({ type: "result", status: "succeeded", metrics: { sum: 10 } });
    const verified = execFileSync(
      python,
      [
        "-c",
        "import sys; from pathlib import Path; from stages._worker.artifacts import verify; print(verify(Path(sys.argv[1]))['sha256'])",
        join(place, "output", "sum"),
      ],
      { cwd: packageRoot, encoding: "utf8" },
    ).trim();
    expect(events().find((event) => event.type === "artifact")?.sha256).toBe(verified);
  });

  it("leaves with 75 after SIGTERM", async () => {
    const { child, events } = start("stopped", { steps: 1000, pauseMs: 20 });
    await expect
      .poll(() => {
        try {
          return events().some((event) => event.type === "progress");
        } catch {
          return false;
        }
      })
      .toBe(true);
    child.kill("SIGTERM");
    expect(await exitCode(child)).toBe(75);
    expect(events().at(-1)).toMatchObject({ type: "result", status: "stopped", reason: "stopped" });
  });
});
