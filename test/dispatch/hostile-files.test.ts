import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TextTail } from "../../src/cli/actions/text-tail.ts";
import { readBatch } from "../../src/dispatch/agent/event-tail.ts";
import { settle } from "../../src/dispatch/agent/outputs.ts";
import { AttemptFolder } from "../../src/dispatch/attempt-folder.ts";
import { writeArtifact } from "../support/artifact-folder.ts";
import { removeFolder } from "../support/remove-folder.ts";

let home: string;
let folder: string;
/** A file that is not the attempt's. */
let other: string;
const attempt = "r1-a-g1-s0-e1";

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "legalone-hostile-files-"));
  folder = join(home, "attempts", attempt);
  mkdirSync(join(folder, "output"), { recursive: true });
  other = join(home, "other");
  writeFileSync(other, '{"type":"secret"}\n');
});
afterEach(() => removeFolder(home));

/** What a worker puts where a file is expected. */
const puts: Record<string, (path: string) => void> = {
  "a link": (path) => symlinkSync(other, path),
  "a pipe": (path) => {
    execFileSync("mkfifo", [path]);
    // Whoever waits for a writer gets one, so that a fault is seen and not waited for.
    spawn("timeout", ["10", "sh", "-c", `sleep 2; : > '${path}'`], { stdio: "ignore" }).unref();
  },
  "a folder": (path) => mkdirSync(path),
};

test.each(Object.keys(puts))("%s in the place of a file stops nobody and shows nothing", (what) => {
  const put = puts[what]!;
  const output = join(folder, "output", "model");
  const { content: sha256 } = writeArtifact(output, { "a.bin": Buffer.alloc(0) });
  const line = { type: "artifact", at: "", kind: "model", path: output, sha256, bytes: 0 } as const;

  const manifest = join(output, "manifest.json");
  const written = readFileSync(manifest);
  rmSync(manifest);
  put(manifest);
  expect(settle(line, folder, home)).toMatchObject({
    type: "warning",
    message: expect.stringContaining("expected a file"),
  });
  rmSync(manifest, { recursive: true });
  writeFileSync(manifest, written);

  rmSync(join(output, "a.bin"));
  put(join(output, "a.bin"));
  expect(settle(line, folder, home)).toMatchObject({
    type: "warning",
    message: expect.stringMatching(/a\.bin (is no file|is a link)/),
  });

  put(join(folder, "events.jsonl"));
  expect(readBatch(join(folder, "events.jsonl"), 0, true)).toBeUndefined();
  put(join(folder, "exit.json"));
  expect(new AttemptFolder(join(home, "attempts"), attempt).exit()).toBeUndefined();
  put(join(folder, "stdout.log"));
  const tail = new TextTail(join(folder, "stdout.log"));
  expect([tail.exists(), tail.lastLines(10), tail.next()]).toEqual([false, "", ""]);
});

test("no note of an attempt is written through a link that its worker made", () => {
  for (const name of ["reported", "stop.json", "stop.json.new", `stop.json.${process.pid}`])
    symlinkSync(other, join(folder, name));
  const own = new AttemptFolder(join(home, "attempts"), attempt);
  own.write("stop.json", { at: 1, graceSeconds: 2 });
  own.markReported();
  expect(own.stop()).toEqual({ at: 1, graceSeconds: 2 });
  expect(own.reported()).toBe(true);
  expect(readFileSync(other, "utf8")).toBe('{"type":"secret"}\n');
});
