import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { emptyLedger, extendLedger } from "../../src/recipe/ledger.ts";
import { demoHome, legalone, type StageLine, stageLines, verdict } from "./legalone.ts";

interface WorkerEvent {
  type: string;
  step?: number;
  name?: string;
  program?: string;
  pid?: number;
  cursor?: { ledger: string };
}

/**
 * A run of its own up to mid-training (another lambda, so that mid-training is no cache hit): the control plane is
 * killed in the middle of it, then the worker; `legalone resume` brings it to its end.
 */
describe("kill -9 in the middle of mid-training", () => {
  let run = "";
  const killedAt: number[] = [];

  beforeAll(async () => {
    const started = await legalone([
      ...["train", "pipelines/demo.yaml", "--set", "stages.midtrain.with.pas.lambda=4"],
      ...["--until", "midtrain", "--detach", "--json"],
    ]);
    expect(started.code, started.stderr).toBe(0);
    run = String(verdict(started).run);

    killedAt.push(await reached(80));
    process.kill(processOf("serve.json"), "SIGKILL");
    await sleep(4000);
    // Nobody watches, and the worker goes on.
    killedAt.push(trainedSteps(1).at(-1)!);
    expect(killedAt[1]).toBeGreaterThan(killedAt[0]!);
    process.kill(workerPid(1), "SIGKILL");

    const resumed = await legalone(["resume", run, "--until", "midtrain", "--json"]);
    expect(resumed.code, resumed.stdout.slice(-2000) + resumed.stderr).toBe(0);
  });

  it("ends well, with what was done before it kept", async () => {
    const stages = await stagesOf(run);
    expect(Object.fromEntries(stages.map((stage) => [stage.stage, stage.state]))).toMatchObject({
      corpus: "SKIPPED",
      base: "SKIPPED",
      perplexity: "SKIPPED",
      midtrain: "SUCCEEDED",
    });
  });

  it("trained no step twice after its checkpoint, and left none out", async () => {
    const midtrain = (await stagesOf(run)).find(({ stage }) => stage === "midtrain") as StageLine;
    const epochs = midtrain.attempts.at(-1)!.epoch;
    expect(epochs).toBe(2);
    const from = checkpoints(1).at(-1)!.step!;
    expect(from).toBeGreaterThanOrEqual(60);
    // Losses are means over ten steps, so the first one after the checkpoint covers from + 1 .. from + 10.
    expect(trainedSteps(2)).toEqual(Array.from({ length: (360 - from) / 10 }, (_, i) => from + 10 * (i + 1)));
  });

  it("consumed exactly the planned rows, as the ledger proves", () => {
    const bytes = readFileSync(join(folder(2), "order", "order.rows.bin"));
    const rows = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    const batch = rows.length / 360;
    const last = checkpoints(2).at(-1)!;
    let ledger: Uint8Array = emptyLedger;
    for (let step = 0; step < last.step!; step++) {
      ledger = extendLedger(ledger, rows.subarray(step * batch, (step + 1) * batch));
    }
    expect(last.step).toBeGreaterThanOrEqual(300);
    expect(last.cursor!.ledger).toBe(Buffer.from(ledger).toString("hex"));
  });

  it("shows the restart for what it was", async () => {
    const shown = await legalone(["logs", run, "midtrain", "--json"]);
    expect(shown.stdout).toContain("killed");
  });

  const attempt = (epoch: number) => `${run}-midtrain-g1-s0-e${epoch}`;
  const folder = (epoch: number) => join(demoHome, "attempts", attempt(epoch));

  function events(epoch: number): WorkerEvent[] {
    const text = readFileSync(join(folder(epoch), "events.jsonl"), "utf8");
    const whole = text.slice(0, text.lastIndexOf("\n")).split("\n");
    return whole.filter((line) => line !== "").map((line) => JSON.parse(line) as WorkerEvent);
  }

  function checkpoints(epoch: number): WorkerEvent[] {
    return events(epoch).filter(({ type }) => type === "checkpoint");
  }

  function trainedSteps(epoch: number): number[] {
    return events(epoch)
      .filter(({ type, name }) => type === "metric" && name === "loss")
      .map(({ step }) => step!);
  }

  /** Waits until the first attempt has trained `step` steps; gives the step it is at. */
  async function reached(step: number): Promise<number> {
    for (;;) {
      const folders = readdirSync(join(demoHome, "attempts"));
      const steps = folders.includes(attempt(1)) ? safeSteps() : [];
      if ((steps.at(-1) ?? 0) >= step) return steps.at(-1)!;
      await sleep(300);
    }
  }

  function safeSteps(): number[] {
    try {
      return trainedSteps(1);
    } catch {
      return [];
    }
  }

  function processOf(file: string): number {
    return (JSON.parse(readFileSync(join(demoHome, file), "utf8")) as { pid: number }).pid;
  }

  function workerPid(epoch: number): number {
    return events(epoch).find(({ type, program }) => type === "started" && program?.includes("midtrain"))!
      .pid!;
  }
});

async function stagesOf(run: string): Promise<StageLine[]> {
  return stageLines(await legalone(["status", run, "--json"]));
}
