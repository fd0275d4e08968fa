import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";

const oneTraining = (options: string, rest = "") => `
version: 1
name: one
stages:
  data: {uses: make-data}
  train: {uses: tiny-train, needs: [data], with: {${options}}${rest}}
`;

const lastLine = (text: string) => JSON.parse(text.trim().split("\n").at(-1) ?? "null");

let line: CommandLine;
beforeAll(async () => {
  line = openCommandLine();
  expect((await line.legalone("up")).code).toBe(0);
});
afterAll(() => line.close());

describe("every ending has its exit code", () => {
  test("4: a stage failed; the summary says why and how to look", async () => {
    const { code, stdout } = await line.legalone(
      "train",
      line.pipeline("failing", oneTraining("fail: user_error")),
    );
    expect(code).toBe(4);
    expect(stdout).toMatch(/✗ train: failed, user error: the option cannot be done/);
    expect(stdout).toMatch(/legalone logs r\w+ train/);
  });

  test("10: a gate did not hold; what stands behind it does not run", async () => {
    const text = `${oneTraining("legal_ppl: 400", ", gate: {metric: legal_ppl, below: 300}")}  export: {uses: deliver, needs: [train]}\n`;
    const { code, stdout } = await line.legalone("train", line.pipeline("gated", text), "--json");
    expect(code).toBe(10);
    expect(lastLine(stdout)).toMatchObject({
      state: "gate_failed",
      stage: "train",
      stages: { train: "SUCCEEDED", export: "CANCELLED" },
    });
  });

  test("3: a plan that cannot run is refused before anything is recorded", async () => {
    const text = oneTraining("steps: 1", ", resources: {nodes: 40}");
    const before = lastLine((await line.legalone("status", "--json")).stdout).runs;
    const { code, stderr } = await line.legalone("train", line.pipeline("blocked", text));
    expect({ code, stderr }).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/train: asks for 40 nodes/),
    });
    expect(lastLine((await line.legalone("status", "--json")).stdout).runs).toBe(before);
  });

  test("2: a wrong file is told with its line", async () => {
    const { code, stderr } = await line.legalone("train", line.pipeline("wrong", oneTraining("stepps: 1")));
    expect(code).toBe(2);
    expect(stderr).toMatch(/wrong\.yaml:6:\d+/);
  });

  test("9: a database that cannot be reached", async () => {
    const url = "postgresql://nobody@127.0.0.1:1/nothing";
    const { code, stderr } = await line.startWith({ LEGALONE_DATABASE_URL: url }, "status").ended;
    expect({ code, stderr }).toMatchObject({ code: 9, stderr: expect.stringContaining("E_DATABASE") });
  });
});

describe("leaving and coming back", { timeout: 120_000 }, () => {
  test("Ctrl-C leaves with 6, watch comes back, cancel ends with 5, resume goes on from the checkpoint", async () => {
    // It never ends by itself: nothing here depends on how fast the machine is.
    const endless = oneTraining("steps: 1000000, step_seconds: 0.02", ", checkpoint: {every: 20}");
    const train = line.start("train", line.pipeline("endless", endless), "--json");
    await train.says(/"event":"worker.checkpoint"/);
    train.interrupt();
    const left = await train.ended;
    expect(left.code).toBe(6);
    const { run } = lastLine(left.stdout);
    expect((await line.legalone("status", run, "--exit-code")).code).toBe(6);

    const watch = line.start("watch", run);
    await watch.says(/train: started/);
    expect((await line.legalone("cancel", run)).stdout).toContain("asked train to stop");
    const cancelled = await watch.ended;
    expect(cancelled.code).toBe(5);
    expect(cancelled.stdout).toContain(`legalone resume ${run}`);

    const resumed = line.start("resume", run, "--json");
    await resumed.says(/"event":"worker.started"/);
    expect(JSON.parse(resumed.saw().split("\n")[0]!)).toMatchObject({ type: "resume", stages: ["train"] });
    // What came before is shown as well: only an event of the second generation tells that its worker trains.
    await resumed.says(/-train-g2-[^\n]*"event":"worker.checkpoint"/);
    const output = await line.legalone("logs", run, "train", "--stdout");
    expect(Number(output.stdout.match(/training from step (\d+)/)?.[1])).toBeGreaterThanOrEqual(20);
    await line.legalone("cancel", run);
    expect((await resumed.ended).code).toBe(5);
  });

  test("--detach ends at once with 0; --until leaves out what comes after", async () => {
    const text = `${oneTraining("steps: 5")}  export: {uses: deliver, needs: [train]}\n`;
    const { code, stdout } = await line.legalone(
      "train",
      line.pipeline("until", text),
      "--detach",
      "--until",
      "train",
    );
    expect(code).toBe(0);
    const run = stdout.split("\n")[0]!;
    const watched = await line.legalone("watch", run, "--json");
    expect(watched.code).toBe(0);
    expect(lastLine(watched.stdout)).toMatchObject({
      state: "succeeded",
      stages: { train: "SUCCEEDED", export: "CANCELLED" },
    });
  });

  test("a stage that failed once is tried again with retry", async () => {
    const file = line.pipeline("again", oneTraining("fail: crash, fail_generations: 1"));
    const first = await line.legalone("train", file, "--json");
    expect(first.code).toBe(4);
    const { run } = lastLine(first.stdout);
    const second = await line.legalone("retry", run, "--stage", "train");
    expect(second.stderr).toContain(`run ${run}: train again`);
    expect(second.code).toBe(0);
  });
});
