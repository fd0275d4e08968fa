import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";

const seed = Number(process.env.LEGALONE_SEED || Date.now() % 2 ** 31);
const pipeline = `
version: 1
name: hostile
seed: 1
stages:
  words: {uses: hostile-words, with: {seed: ${seed}}}
`;
const control = /(?![\t\n])\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/** The first thing in a text that a terminal obeys, but for colours. */
function obeyed(text: string): string | undefined {
  const [first = "", ...others] = text.split("\u001b[");
  const plain = [first, ...others.map((part) => part.replace(/^\d{1,2}m/, ""))];
  const wild = others.find((part) => !/^\d{1,2}m/.test(part));
  return wild ?? control.exec(plain.join(""))?.[0];
}

let line: CommandLine;
let followed: string;
beforeAll(async () => {
  line = openCommandLine();
  const { stdout, stderr } = await line.startWith(
    { FORCE_COLOR: "1" },
    "train",
    line.pipeline("hostile", pipeline),
  ).ended;
  followed = stdout + stderr;
});
afterAll(() => line.close());

test(`nothing that a worker says moves a terminal (seed ${seed})`, async () => {
  expect(followed).toContain("\\u001b]0;owned");
  expect(obeyed(followed)).toBeUndefined();
  const { stdout: known } = await line.legalone("status", "--json");
  const run = /"run":"(r\w{9})"/.exec(known)?.[1] ?? "";
  for (const words of [
    ["status"],
    ["status", "--json"],
    ["logs"],
    ["logs", "--json"],
    ["logs", run, "words", "--stdout"],
    ["logs", run, "words", "--stderr"],
    ["watch"],
    ["watch", "--json"],
    ["metrics"],
    ["report", "--out", "-"],
    ["status", "\x1b]0;owned\x07\x9b31m"],
  ]) {
    const { stdout, stderr } = await line.startWith({ FORCE_COLOR: "1" }, ...words).ended;
    const said = stdout + stderr;
    expect([words, obeyed(said), said.length > 0]).toEqual([words, undefined, true]);
    // Unlike ours, a colour of the worker is told.
    if (words[0] === "logs") expect(said).toContain("\\u001b[31mred");
    if (words.includes("--json"))
      for (const text of stdout.trim().split("\n")) expect(() => JSON.parse(text)).not.toThrow();
  }
});

test("on a terminal too, where stages are drawn in place", () => {
  const script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
  const python = join(packageRoot, ".venv-test", "bin", "python");
  const { stdout } = spawnSync(
    python,
    ["-c", script, process.execPath, join(packageRoot, "dist", "bin.js"), "watch"],
    { env: { ...process.env, LEGALONE_HOME: line.home, TERM: "xterm" }, encoding: "latin1" },
  );
  expect(stdout).toContain("\\u001b]0;owned");
  for (const word of ["\u001b]", "\u001b[2J\u001b[H", "\u001b[31mred", "\u001bP", "\u0007", "\u0008"])
    expect([word, stdout.includes(word)]).toEqual([word, false]);
});
