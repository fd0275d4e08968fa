import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AttemptFolder, openAttempts } from "../../src/dispatch/attempt-folder.ts";
import { sessionMembers } from "../../src/dispatch/process/session.ts";
import { postgresStatus } from "../../src/services/postgres.ts";
import { valkeyStatus } from "../../src/services/valkey.ts";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";
import { artifactsOf, runNamed } from "../support/json-lines.ts";
import { corpusAndBase, heldout, perplexityOptions, schedule } from "../support/tiny-pipeline.ts";
import { Random } from "./random.ts";
import { signalAll } from "./site/processes.ts";

// Real training on MindSpore behind the real control plane, each part of which is killed again and again.

const kills = 20;
const pipeline = `
version: 1
name: killed
model: tiny
stages:${corpusAndBase}
  perplexity:
    uses: perplexity
    needs: [corpus, base]
    with:${perplexityOptions}
  midtrain:
    uses: midtrain
    needs: [perplexity, base, corpus]
    with: {steps: 400, batch: 4, pas: {lambda: 5, max_passes: 500}, ${schedule}, ${heldout}}
    checkpoint: {every: 10, keep: 2}
`;

const targets = ["worker", "worker", "agent", "serve", "valkey", "postgres"] as const;
type Target = (typeof targets)[number];

let line: CommandLine;
let file: string;
beforeAll(async () => {
  line = openCommandLine({ kinds: ["base", "perplexity", "midtrain"] });
  file = line.pipeline("killed", pipeline);
  expect((await line.legalone("up")).code).toBe(0);
});
afterAll(() => line.close());

test(`${kills} kills during real training change nothing about its weights`, {
  timeout: 3_600_000,
}, async () => {
  const whole = await line.legalone("train", file, "--json");
  expect(whole.code, whole.stdout.slice(-2000) + whole.stderr).toBe(0);
  const wanted = await weightsOf(runNamed(whole));

  const random = new Random("real training");
  const hits: Partial<Record<Target, number>> = {};
  const runs: string[] = [];
  let run: string | undefined;
  for (let done = 0; done < kills; ) {
    if (run === undefined || (await codeOf(run)) !== 6) {
      const again = await line.legalone("train", file, "--from", "midtrain", "--detach", "--json");
      expect(again.code, again.stderr).toBe(0);
      run = runNamed(again);
      runs.push(run);
    }
    await sleep(random.int(200, 8_000));
    const target = random.pick(targets);
    if (!(await kill(target))) continue;
    hits[target] = (hits[target] ?? 0) + 1;
    done++;
    await sleep(random.int(0, 1_500));
    const up = await line.legalone("up");
    expect(up.code, up.stderr).toBe(0);
  }
  const last = await line.legalone("resume", run!, "--json");
  expect(last.code, last.stdout.slice(-2000) + last.stderr).toBe(0);
  for (const each of runs)
    expect({ run: each, weights: await weightsOf(each) }).toEqual({ run: each, weights: wanted });
  expect(Object.keys(hits).sort()).toEqual([...new Set(targets)].sort());
  process.stdout.write(`${JSON.stringify({ kills, runs: runs.length, hits })}\n`);
});

/** False when there is nothing of the kind to kill just now. */
async function kill(target: Target): Promise<boolean> {
  const pids = await pidsOf(target);
  signalAll(pids, "SIGKILL");
  return pids.length > 0;
}

async function pidsOf(target: Target): Promise<number[]> {
  if (target === "postgres") return present((await postgresStatus(line.home)).pid);
  if (target === "valkey") return present((await valkeyStatus(line.home)).pid);
  if (target === "worker") {
    const attempts = join(line.home, "attempts");
    return openAttempts(attempts, "process").flatMap((name) => {
      const shim = new AttemptFolder(attempts, name).shim();
      return shim ? sessionMembers(shim.pid) : [];
    });
  }
  const note = join(line.home, `${target}.json`);
  return existsSync(note) ? [(JSON.parse(readFileSync(note, "utf8")) as { pid: number }).pid] : [];
}

function present(pid: number | undefined): number[] {
  return pid === undefined ? [] : [pid];
}

/** 6 while it runs. The stores may be away for a moment. */
async function codeOf(run: string): Promise<number | null> {
  const { code } = await line.legalone("status", run, "--exit-code");
  return code === 9 ? 6 : code;
}

async function weightsOf(run: string): Promise<string> {
  const made = artifactsOf(await line.legalone("status", run, "--json"), "midtrain");
  return made.find(({ kind }) => kind === "model")?.sha256 ?? `${run} has no weights`;
}
