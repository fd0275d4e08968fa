import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { main } from "../../src/cli/main.ts";
import { packageRoot } from "../../src/core/paths.ts";
import { type NewRun, submitRun } from "../../src/records/runs.ts";
import { runOf } from "../support/pipelines.ts";
import { openRecords, type TestRecords } from "../support/records.ts";

/** Mistakes of people who have not read the code. Each ends with its exit code, says what was seen and expected, and what to do. */

const demo = join(packageRoot, "pipelines/demo.yaml");
let records: TestRecords;
/** A run whose stages are data, base and midtrain; two of another pipeline. */
let run: string;
let folder: string;

beforeAll(async () => {
  records = await openRecords();
  folder = join(process.env.LEGALONE_HOME!, "files");
  mkdirSync(join(folder, "empty"), { recursive: true });
  const shared: Partial<NewRun> = { file: "written.yaml", createdBy: "somebody@here" };
  await submitRun(records.db, runOf([{ name: "eval" }], { ...shared, pipeline: "other" }));
  const stages = [{ name: "data" }, { name: "base", needs: ["data"] }, { name: "midtrain", needs: ["base"] }];
  const key = { idempotencyKey: "nightly" };
  run = (await submitRun(records.db, runOf(stages, { ...shared, ...key, pipeline: "tiny" }))).run;
  await measured("base", ["loss", "tokens_per_second"]);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
});
afterAll(() => records.close());

const files: Record<string, string | Buffer> = {
  "empty.yaml": "",
  "comment.yaml": "# to be written\n",
  "rows.jsonl": '{"text": "一"}\n{"text": "二"}\n'.repeat(5000),
  "table.csv": "id,text\n1,a: b\n2,c\n",
  "tabs.yaml": "version: 1\nname: tabs\nstages:\n\tbase: {uses: base}\n",
  "list.yaml": "- version: 1\n- name: x\n",
  "binary.yaml": Buffer.from([0x50, 0x4b, 3, 4, 0, 0, 0xff]),
  "large.yaml": `version: 1\nname: large\nnote: ${"x".repeat(300_000)}\n`,
  "many.yaml": `version: 1\nname: many\nstages:\n${Array.from({ length: 400 }, (_, i) => `  s${i}: {uses: corpsu}\n`).join("")}`,
  "written.yaml": "version: 1\nname: written\nstages: {}\n",
};

/** As if the first attempt of a stage had measured something. */
async function measured(name: string, metrics: string[]): Promise<void> {
  const stage = await records.db.stage.findFirstOrThrow({
    where: { name, runId: run },
    include: { shards: true },
  });
  const shard = stage.shards[0]!;
  const id = `${shard.id}-e1`;
  await records.db.attempt.create({
    data: { id, shardId: shard.id, epoch: 1, state: "RUNNING", engine: "process" },
  });
  await records.db.metric.createMany({
    data: metrics.map((metric) => ({
      attemptId: id,
      stageId: stage.id,
      name: metric,
      step: 1,
      value: 2,
      at: new Date(),
    })),
  });
}

interface Mistake {
  what: string;
  words: () => string[];
  code: number;
  says: (string | (() => string))[];
}

const one = (
  what: string,
  words: string[] | (() => string[]),
  code: number,
  ...says: (string | (() => string))[]
): Mistake => ({
  what,
  words: typeof words === "function" ? words : () => words,
  code,
  says,
});
const file = (name: string) => join(folder, name);
const set = (text: string) => ["validate", demo, "--set", text];

const mistakes: Mistake[] = [
  // Commands and options.
  one(
    "a command with a slip",
    ["trian", "x.yaml"],
    2,
    "E_USAGE unknown command 'trian'",
    "Did you mean train?",
  ),
  one(
    "a command that is none",
    ["stop"],
    2,
    "unknown command 'stop'",
    "`legalone --help` lists the commands",
  ),
  one("a command of 100,000 characters", ["x".repeat(100_000)], 2, "unknown command", "…"),
  one(
    "an option with a slip",
    ["train", demo, "--detatch"],
    2,
    "unknown option '--detatch'",
    "Did you mean --detach?",
  ),
  one("an option without its value", ["train", demo, "--until"], 2, "'--until <stage>' argument missing"),
  one("a missing argument", ["plan"], 2, "missing required argument 'file'", "legalone COMMAND --help"),
  one("one argument too many", ["validate", demo, demo], 2, "Expected 1 argument but got 2"),
  one("a part of a command with a slip", ["debug", "bundel"], 2, "unknown command 'bundel'", "bundle"),
  one("export without a folder", ["export"], 2, "required option '--to <folder>' not specified"),
  one(
    "an empty folder",
    ["export", "--to", ""],
    2,
    '--to is "", expected a value that is not empty',
    "export --help",
  ),
  one(
    "an empty key",
    ["train", demo, "--idempotency-key", ""],
    2,
    '--idempotency-key is ""',
    "expected at most 200",
  ),
  one(
    "a key of a megabyte",
    ["train", demo, "--idempotency-key", "k".repeat(100_000)],
    2,
    "--idempotency-key is",
    "(100000 characters)",
  ),
  one(
    "a key with an escape sequence",
    ["train", demo, "--idempotency-key", "\u001b[2J"],
    2,
    "--idempotency-key",
  ),
  one("an empty stage", ["train", demo, "--until", ""], 2, '--until is ""', "expected"),
  one("an empty run", ["cancel", ""], 2, '<run> is ""', "expected a value that is not empty"),
  one("an empty file", ["validate", " "], 2, '<file> is " "'),
  one(
    "a priority that is no number",
    ["train", demo, "--priority", "high"],
    2,
    '--priority is "high", expected a whole number',
  ),
  one(
    "a name that an id could be",
    ["train", demo, "--name", "rk2m9x4t7a"],
    2,
    '--name is "rk2m9x4t7a"',
    "expected a letter",
  ),
  one(
    "a name that moves the terminal",
    ["label", "latest", "--name", "\u001b[2Jx"],
    2,
    "--name is",
    "expected",
  ),
  one(
    "a tag of two words",
    ["label", "latest", "--tag", "two words"],
    2,
    '--tag is "two words"',
    "without spaces",
  ),
  one(
    "a note of an unset variable",
    ["label", "latest", "--note", ""],
    2,
    '--note is ""',
    "at most 2000 characters",
  ),
  one(
    "a priority beyond the records",
    ["priority", "latest", "99999999999"],
    2,
    "<n> is",
    "expected a whole number between",
  ),
  one(
    "a length that is NaN",
    ["status", "-n", "NaN"],
    2,
    '--limit is "NaN", expected a whole number above 0',
  ),
  one("no points", ["metrics", "--points", "0"], 2, '--points is "0", expected a whole number above 0'),
  one(
    "a step below zero",
    ["pas", "explain", demo, "--step", "-1"],
    2,
    '--step is "-1", expected a whole number, 0 or more',
    "pas explain --help",
  ),
  one(
    "a port that is none",
    ["serve", "--port", "70000"],
    2,
    '--port is "70000", expected a port, 0 to 65535',
  ),
  one(
    "too many slots",
    ["agent", "--slots", "5000"],
    2,
    '--slots is "5000", expected a whole number from 1 to 1024',
  ),
  one(
    "a grace without end",
    ["down", "--grace", "Infinity"],
    2,
    '--grace is "Infinity", expected whole seconds',
  ),
  one(
    "an age without a unit",
    ["gc", "--older-than", "30"],
    2,
    '--older-than is "30", expected a time such as 30m',
  ),
  one(
    "an age beyond all clocks",
    ["gc", "--older-than", "99999999999d"],
    2,
    "--older-than is",
    "at most 100 years",
  ),

  // Files.
  one(
    "a file that is not there",
    ["validate", "/nowhere/run.yaml"],
    2,
    "E_FILE_MISSING there is no file /nowhere/run.yaml",
    "the folder /nowhere is not there",
  ),
  one(
    "a file with a slip",
    ["plan", demo.replace("demo", "dmeo")],
    2,
    "E_FILE_MISSING",
    `did you mean ${demo}?`,
  ),
  one("a folder for a file", () => ["validate", folder], 2, "E_FILE", "is a folder, expected a YAML file"),
  one(
    "an empty file of YAML",
    () => ["validate", file("empty.yaml")],
    2,
    "this is no pipeline: it is empty",
    "`version: 1`",
  ),
  one(
    "a file of comments",
    () => ["validate", file("comment.yaml")],
    2,
    "this is no pipeline: it begins with",
  ),
  one(
    "data for a pipeline",
    () => ["train", file("rows.jsonl")],
    2,
    "has one error",
    "this is no pipeline",
    "data is named inside of it",
  ),
  one(
    "a table for a pipeline",
    () => ["train", file("table.csv")],
    2,
    "has one error",
    "this is no pipeline",
  ),
  one(
    "a program for a pipeline",
    ["train", join(packageRoot, "scripts/build.mjs")],
    2,
    "has one error",
    "this is no pipeline",
  ),
  one("a list for a pipeline", () => ["validate", file("list.yaml")], 2, "this is no pipeline"),
  one(
    "tabs in YAML",
    () => ["validate", file("tabs.yaml")],
    2,
    "tabs.yaml:4:1",
    "Tabs are not allowed as indentation",
  ),
  one(
    "a binary file",
    () => ["validate", file("binary.yaml")],
    2,
    "is no text in UTF-8, expected a YAML file",
  ),
  one("a file beyond any pipeline", () => ["validate", file("large.yaml")], 2, "more than 262144"),
  one(
    "400 stages with one slip",
    () => ["validate", file("many.yaml")],
    2,
    "has 400 errors",
    "did you mean `corpus`?",
    "and 390 more; --json has all",
  ),

  // Values of the file.
  one("--set without =", set("seed"), 2, '--set is "seed", which is not of the form path.of.key=value'),
  one("--set that is empty", set(""), 2, '--set is ""', "expected a value that is not empty"),
  one(
    "--set of a stage with a slip",
    set("stages.midtran.with.steps=3"),
    2,
    'there is no stage "midtran"',
    "did you mean `midtrain`?",
  ),
  one("--set of a key with a slip", set("sed=3"), 2, "unknown key `sed`", "did you mean `seed`?"),
  one(
    "--set of an option with a slip",
    set("stages.midtrain.with.stesp=3"),
    2,
    "unknown key `stesp`",
    "did you mean `steps`?",
  ),
  one(
    "--set of NaN",
    set("stages.midtrain.with.steps=.nan"),
    2,
    "`NaN` does not fit; expected a finite number",
  ),
  one("--set of infinitely many", set("seed=.inf"), 2, "`Infinity` does not fit"),
  one(
    "--set of words for a number",
    set("stages.midtrain.with.batch=many"),
    2,
    '`"many"` does not fit; expected a whole number',
  ),
  one(
    "--set beyond exact numbers",
    set("stages.midtrain.with.batch=1e30"),
    2,
    "`1e+30` does not fit; expected a number between",
  ),
  one("--set below the least", set("seed=-1"), 2, "`-1` does not fit; expected at least 0"),
  one("--set of broken YAML", set("stages.midtrain.with={a: [1"), 2, "is not YAML", "Quote it for the shell"),
  one(
    "--set of a name of 1000 characters",
    set(`name=${"n".repeat(1000)}`),
    2,
    "does not fit; expected at most 100 characters",
  ),
  one(
    "a stage that does not need itself to be there",
    ["plan", demo, "--until", "midtrian"],
    2,
    '"midtrian" is no stage of this pipeline',
    "Did you mean midtrain?",
  ),
  one(
    "from after until",
    ["plan", demo, "--from", "rl", "--until", "sft"],
    2,
    "--until sft does not need rl",
    "name a later stage",
  ),

  // Runs, stages, metrics, hashes.
  one(
    "a run that is not there",
    ["status", "nope"],
    7,
    'E_NOT_FOUND no run has the id or name "nope"',
    "legalone status lists the runs",
  ),
  one(
    "an id with a slip",
    () => ["status", `${run.slice(0, 8)}${run[9]}${run[8]}`],
    7,
    "Did you mean",
    () => run,
  ),
  one(
    "a beginning of several",
    ["status", "r"],
    7,
    'more than one run begins with "r"',
    "Give more characters of the id.",
  ),
  one(
    "a sign that the records would take for any character",
    ["cancel", "_"],
    7,
    'no run has the id or name "_"',
  ),
  one("a stage for a run", ["logs", "midtrain"], 7, "A stage has this name: name its run first"),
  one("a pipeline for a run", ["report", "tiny"], 7, "A run has this pipeline, file or key: legalone status"),
  one("a file for a run", ["lineage", "written.yaml"], 7, "A run has this pipeline, file or key"),
  one("a key for a run", ["status", "nightly"], 7, "A run has this pipeline, file or key"),
  one(
    "an attempt for a run",
    () => ["status", `${run}-base-g1-s0-e1`],
    7,
    "This is the id of a stage or attempt of run",
  ),
  one("a hash for a run", ["verify", "0123456789abcdef"], 7, "legalone verify --artifact 0123456789abcdef"),
  one(
    "a stage with a slip",
    () => ["logs", run, "midtran"],
    7,
    '"midtran" is no stage of run',
    "Did you mean midtrain?",
  ),
  one(
    "a stage of another run",
    () => ["lineage", run, "--stage", "eval"],
    7,
    '"eval" is no stage of run',
    "data, base, midtrain",
  ),
  one(
    "a metric with a slip",
    () => ["metrics", run, "--name", "lossy"],
    7,
    '"lossy" is no metric of run',
    "Did you mean loss?",
  ),
  one(
    "a metric that nobody measures",
    () => ["metrics", run, "--name", "accuracy"],
    7,
    "is no metric of run",
  ),
  one(
    "verify of a stage without a run",
    ["verify", "--stage", "base"],
    2,
    "--stage names a stage of a run",
    "legalone verify RUN --stage NAME",
  ),
  one(
    "verify of a stage that is none",
    () => ["verify", run, "--stage", "bas"],
    7,
    '"bas" is no stage of run',
    "Did you mean base?",
  ),
  one(
    "a hash that is none",
    ["verify", "--artifact", "latest"],
    2,
    '--artifact is "latest", expected 4 to 64 hexadecimal digits',
  ),
  one(
    "export before there is a model",
    () => ["export", run, "--to", file("model")],
    7,
    "has delivered no model yet",
    "legalone watch",
  ),
  one(
    "a report into a folder",
    () => ["report", run, "--out", folder],
    2,
    "E_FILE cannot open",
    "it is a folder, expected a file",
  ),
  one("a diff with nothing", () => ["diff", run], 2, "missing required argument 'other'"),

  // Machines.
  one("adopt without a word", ["adopt"], 2, "expected one of --moved and --copy"),
  one("adopt of what came from nowhere", ["adopt", "--copy"], 2, "there is nothing to adopt"),
  one("a backup over other files", () => ["backup", folder], 8, "is not empty", "Name a folder"),
  one("a check of what is no backup", () => ["backup", join(folder, "empty"), "--check"], 8, "E_BACKUP"),
  one(
    "a restore of what is not there",
    ["restore", "/nowhere/backup"],
    8,
    "/nowhere/backup is no backup: it is not there",
  ),
  one(
    "an address that is none",
    ["agent", "--serve", "10.0.0.1"],
    2,
    '--serve is "10.0.0.1", expected an address such as http://',
  ),
  one("help of a command with a slip", ["help", "trian"], 2, '"trian" is no command', "Did you mean train?"),
  one(
    "a file for a backup's folder",
    () => ["backup", file("empty.yaml")],
    8,
    "is a file, expected a folder",
  ),
  one(
    "a restore from a file",
    () => ["restore", file("empty.yaml")],
    8,
    "is no backup: it is no folder",
    "`legalone backup FOLDER`",
  ),
  one(
    "a job that is not there",
    ["pas", "order", "--job", "/nowhere/job.json"],
    2,
    "E_FILE cannot open /nowhere/job.json: it is not there",
  ),
  one(
    "a pipeline for a job",
    ["pas", "order", "--job", demo],
    2,
    "is no job: it begins with",
    "job.json lies in its folder",
  ),
  one("a node with a space", ["agent", "--node", "a b"], 2, 'the node\'s name is "a b"'),
  one("a far agent without a token", ["agent", "--serve", "http://127.0.0.1:1"], 2, "LEGALONE_TOKEN"),
];

/** Runs a command line in this process. */
async function legalone(words: string[]): Promise<{ code: unknown; said: string }> {
  const said: string[] = [];
  const heard = (chunk: unknown) => said.push(String(chunk)) > 0;
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, "write").mockImplementation(heard),
  );
  const before = ["uncaughtException", "unhandledRejection"].map(
    (name) => [name, process.listeners(name as "exit")] as const,
  );
  process.exitCode = 0;
  try {
    await main(words);
    return { code: process.exitCode, said: said.join("") };
  } finally {
    process.exitCode = 0;
    for (const spy of spies) spy.mockRestore();
    for (const [name, known] of before)
      for (const listener of process.listeners(name as "exit"))
        if (!known.includes(listener)) process.removeListener(name, listener);
    process.stdout.removeAllListeners("error");
  }
}

test.each([
  ["LEGALONE_DATABASE_URL", "mysql://here/x", ["status"], "LEGALONE_DATABASE_URL is not a PostgreSQL URL"],
  [
    "LEGALONE_DATABASE_URL",
    "postgresql://me:100%@here/x",
    ["status"],
    "LEGALONE_DATABASE_URL is not a PostgreSQL URL",
  ],
  ["LEGALONE_REDIS_URL", "localhost", ["up"], "LEGALONE_REDIS_URL is not the URL of a Valkey or Redis"],
  ["LEGALONE_SLOTS", "many", ["agent"], 'LEGALONE_SLOTS is "many", expected a whole number from 1 to 1024'],
  ["LEGALONE_SERVE_URL", "far", ["agent"], 'LEGALONE_SERVE_URL is "far", expected an address such as http'],
  ["LEGALONE_SET", "x", ["validate", demo], '--set is "x", which is not of the form path.of.key=value'],
])("a variable %s that cannot be used (%s)", async (name, value, words, says) => {
  vi.stubEnv(name, value);
  try {
    expect(await legalone(words)).toMatchObject({ code: 2, said: expect.stringContaining(says) });
  } finally {
    vi.unstubAllEnvs();
  }
});

describe("a mistake is told with its place, what was expected and what to do", () => {
  beforeEach(() => vi.stubEnv("NO_COLOR", "1"));

  test.each(mistakes)("$what", async ({ words, code, says }) => {
    const end = await legalone(words());
    for (const part of says) expect(end.said).toContain(typeof part === "function" ? part() : part);
    expect(end).toMatchObject({ code, said: expect.stringMatching(/^error E_[A-Z_]+ \S/m) });
    expect(end.said).toMatch(/^hint: \S/m);
    expect(end.said).not.toMatch(/E_BUG|\n\s+at |undefined|\[object/);
    // Nobody reads more.
    expect(end.said.length).toBeLessThan(3000);
  });
});
