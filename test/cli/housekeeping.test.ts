import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLine, type Outcome, openCommandLine } from "../support/command-line.ts";

/** Each test starts Python several times, beside whatever else this machine does. */
const patience = { timeout: 240_000 };

const training = (options: string) => `
version: 1
name: kept
stages:
  data: {uses: make-data}
  train: {uses: tiny-train, needs: [data], with: {${options}}, checkpoint: {every: 5, keep: 9}}
`;

const lastLine = ({ stdout }: Outcome) => JSON.parse(stdout.trim().split("\n").at(-1) ?? "null");

/** None of these may leave the machine. */
const secrets = {
  LEGALONE_TEACHER_KEY: "plain-words-of-a-teacher",
  OTHER_URL: "postgresql://me:pass-in-address@db/x",
};

let line: CommandLine;
let first: string;
let second: string;
beforeAll(async () => {
  line = openCommandLine();
  const file = line.pipeline("kept", training("steps: 20"));
  const one = await line.startWith(secrets, "train", file, "--json").ended;
  expect(one.code).toBe(0);
  first = lastLine(one).run;
  const other = await line.legalone("train", file, "--set", "stages.train.with.legal_ppl=250", "--json");
  expect(other.code).toBe(0);
  second = lastLine(other).run;
}, 240_000);
afterAll(() => line.close());

describe("diff", patience, () => {
  test("shows what differs of two runs, and that a run is the same as itself", async () => {
    const { stdout } = await line.legalone("diff", first, second);
    expect(stdout).toMatch(/train +options +with\.legal_ppl +300 +250/);
    expect(stdout).toMatch(/train +outcome +legal_ppl +300 +250/);
    expect(stdout).toMatch(/\+ .*legal_ppl: 250/);
    expect(stdout).toContain("The same: data");
    const found = lastLine(await line.legalone("diff", first, second, "--json"));
    expect(found).toMatchObject({ type: "diff", same: false, left: first, right: second });
    expect(lastLine(await line.legalone("diff", first, first, "--json"))).toMatchObject({ same: true });
    expect((await line.legalone("diff", first, "nobody")).code).toBe(7);
  });
});

describe("debug bundle", patience, () => {
  test("packs what a report needs, and no secret that was planted", async () => {
    const attempt = join(line.home, "attempts", `${first}-train-g1-s0-e1`);
    const { token } = JSON.parse(readFileSync(join(line.home, "serve.json"), "utf8"));
    const planted = ["hf_abcdefghijklmnopqrstuvwx", token, ...Object.values(secrets), "sesame-open-now"];
    writeFileSync(
      join(attempt, "stderr.log"),
      `${planted.join("\n")}\npassword=sesame-open-now\nthe end of it\n`,
    );
    const output = join(line.home, "report.tar.gz");
    const packed = await line.startWith(secrets, "debug", "bundle", first, "-o", output).ended;
    expect(packed).toMatchObject({ code: 0, stdout: expect.stringContaining(output) });
    // Whatever the umask: status, logs and options of a run are for nobody else.
    expect(statSync(output).mode & 0o777).toBe(0o600);
    const folder = join(line.home, "unpacked");
    mkdirSync(folder);
    execFileSync("tar", ["-xzf", output, "-C", folder]);
    const root = join(folder, `legalone-${first}`);
    const files = readdirSync(root, { recursive: true, encoding: "utf8" });
    expect(files).toEqual(
      expect.arrayContaining([
        ...[
          "about.json",
          "doctor.json",
          "nodes.jsonl",
          "status.jsonl",
          "events.jsonl",
          "plan.json",
          "pipeline.yaml",
        ],
        ...["logs/serve.log", "logs/agent.log", `attempts/${first}-train-g1-s0-e1/job.json`],
      ]),
    );
    const text = files
      .filter((name) => /\.\w+$/.test(name))
      .map((name) => readFileSync(join(root, name), "utf8"))
      .join("\n");
    expect(text).toContain("the end of it");
    expect(text).toContain("worker.checkpoint");
    // The word stands alone in the log too, where only its name elsewhere could tell; everything else is known.
    for (const secret of [...planted.slice(0, 3), "pass-in-address", "password=sesame"])
      expect(text).not.toContain(secret);
    JSON.parse(readFileSync(join(root, "about.json"), "utf8"));
    expect((await line.legalone("debug", "bundle", first, "-o", output)).code).toBe(8);
  });
});

describe("the queue", patience, () => {
  test("status shows the priority, and which stage waits for a free place where", async () => {
    const endless = training("steps: 1000000, step_seconds: 0.02");
    const runs: string[] = [];
    // More runs than places: the later ones wait, the one of higher priority before the others.
    for (const [name, priority] of [
      ["a", "0"],
      ["b", "0"],
      ["c", "1"],
      ["d", "5"],
    ] as const) {
      const file = line.pipeline(name, endless.replace("steps: 1000000", `steps: 100000${runs.length}`));
      const { stdout } = await line.legalone("train", file, "--detach", "--priority", priority);
      runs.push(stdout.split("\n")[0]!);
    }
    const [, , low, high] = runs as [string, string, string, string];
    const placeOf = async (run: string) => {
      const { stdout } = await line.legalone("status", run, "--json");
      const stages = stdout
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text));
      return stages.find(({ type, stage }) => type === "stage" && stage === "train").queue;
    };
    await expect
      .poll(() => placeOf(low), { timeout: 60_000 })
      .toMatchObject({ place: 2, priority: 1, ahead: 1, waiting: 1 });
    expect(await placeOf(high)).toMatchObject({ place: 1, priority: 5, ahead: 0 });
    const list = (await line.legalone("status")).stdout;
    expect(list).toMatch(new RegExp(`${low} .* 1 +train waits for a free place, 2 of \\d`));
    expect((await line.legalone("status", high)).stdout).toMatch(
      /priority 5[\s\S]*train waits for a free place, 1 of \d/,
    );
    await line.legalone("priority", low, "9");
    expect(await placeOf(low)).toMatchObject({ place: 1 });

    const kept = lastLine(
      await line.legalone("gc", "--older-than", "0m", "--keep-runs", "0", "--dry-run", "--json"),
    );
    expect(kept.kept.live).toBeGreaterThan(0);
    for (const run of runs) await line.legalone("cancel", run);
    for (const run of runs) expect((await line.legalone("watch", run, "--json")).code).toBe(5);
  });
});

describe("gc", patience, () => {
  test("removes what nobody needs, says how much, and later runs do without", async () => {
    const attempts = () => readdirSync(join(line.home, "attempts"));
    const artifacts = () => readdirSync(join(line.home, "artifacts"));
    const [attemptsBefore, artifactsBefore] = [attempts().length, artifacts().length];
    expect(lastLine(await line.legalone("gc", "--json"))).toMatchObject({
      outputs: 0,
      checkpoints: 0,
      attempts: 0,
    });
    const words = ["gc", "--older-than", "0m", "--keep-runs", "5"];
    const dry = lastLine(await line.legalone(...words, "--dry-run", "--json"));
    expect([attempts().length, artifacts().length]).toEqual([attemptsBefore, artifactsBefore]);
    // The oldest run alone is beyond the newest five; the newer ones took its data over.
    expect(dry).toMatchObject({ dryRun: true, outputs: 1, checkpoints: 4, attempts: 2, kept: { used: 1 } });
    const done = lastLine(await line.legalone(...words, "--json"));
    expect(done).toMatchObject({ dryRun: false, outputs: 1, checkpoints: 4, attempts: 2 });
    expect(done.bytes).toBeGreaterThan(0);
    expect(attempts()).not.toContain(`${first}-train-g1-s0-e1`);
    expect((await line.legalone("logs", first)).stdout).toMatch(
      /artifacts\.removed {2}by=\S+ bytes=\S+ artifacts=5/,
    );
    for (const names of [attempts(), artifacts()]) expect(names.join()).not.toContain(".removed");
    expect((await line.legalone("status", second, "--exit-code")).code).toBe(0);
    expect(lastLine(await line.legalone(...words, "--json"))).toMatchObject({ outputs: 0, bytes: 0 });
  });

  test("a folder whose row is marked, or that no row names, is found by the next gc", async () => {
    const lost = join(line.home, "artifacts", "0".repeat(64));
    mkdirSync(lost);
    writeFileSync(join(lost, "file"), "left behind");
    mkdirSync(join(line.home, "trash", "left"), { recursive: true });
    writeFileSync(join(line.home, "trash", "left", "file"), "by a gc that died");
    expect(lastLine(await line.legalone("gc", "--json"))).toMatchObject({ unnamed: 1, bytes: 28 });
    expect(existsSync(lost)).toBe(false);
  });
});
