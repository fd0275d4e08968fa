import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLine, openCommandLine } from "../support/command-line.ts";

/** Starts Python and the control plane several times, beside whatever else this machine does. */
const patience = { timeout: 240_000 };

const endless = `
version: 1
name: followed
stages:
  data: {uses: make-data}
  train: {uses: tiny-train, needs: [data], with: {steps: 1000000, step_seconds: 0.02}, checkpoint: {every: 20}}
`;

let line: CommandLine;
beforeAll(() => {
  line = openCommandLine();
});
afterAll(() => line.close());

describe("watch and logs -f", patience, () => {
  test("go on across a control plane that died, show the next attempt, and end with the verdict", async () => {
    const file = line.pipeline("followed", endless);
    const run = (await line.legalone("train", file, "--detach")).stdout.split("\n")[0]!;
    const watch = line.start("watch", run, "--json");
    await watch.says(/"event":"worker.checkpoint"/);
    const events = line.start("logs", run, "-f", "--json");
    const output = line.start("logs", run, "train", "-f", "--stdout", "--json");
    await output.says(/training from step 0/);

    const { pid } = JSON.parse(readFileSync(join(line.home, "serve.json"), "utf8"));
    process.kill(pid, "SIGKILL");
    await watch.says(/"type":"notice","message":"The control plane does not answer/);
    await events.says(/"type":"notice"/);
    // The worker dies too: only the next control plane can begin another attempt.
    const attempt = join(line.home, "attempts", `${run}-train-g1-s0-e1`);
    const shim = JSON.parse(readFileSync(join(attempt, "pid.json"), "utf8"));
    process.kill(-shim.pid, "SIGKILL");
    expect((await line.legalone("up")).code).toBe(0);
    await output.says(new RegExp(`"attempt":"${run}-train-g1-s0-e2"`));
    await output.says(/training from step [1-9]\d*/);
    await watch.says(/train-g1-s0-e2.*"event":"worker.started"/s);

    await line.legalone("cancel", run);
    for (const follower of [watch, events, output]) {
      const { code, stdout } = await follower.ended;
      const lines = stdout
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text));
      expect(lines.at(-1)).toMatchObject({ type: "verdict", run, state: "cancelled", exitCode: 5 });
      expect(code).toBe(follower === watch ? 5 : 0);
      if (follower === output) continue;
      const ids = lines.filter(({ type }) => type === "event").map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      const told = lines.map(({ event, stage }) => `${event} ${stage}`);
      expect(told).toContain("stage.ended train");
    }
  });
});
