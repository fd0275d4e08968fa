import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createLog } from "../../../src/core/log.ts";
import { ArtifactClient } from "../../../src/dispatch/agent/far/artifact-client.ts";
import { FarStore } from "../../../src/dispatch/agent/far/far-store.ts";
import { farLaunch } from "../../../src/dispatch/transfer/far-launch.ts";
import { removeFolder } from "../../support/remove-folder.ts";

const far = mkdtempSync(join(tmpdir(), "legalone-far-"));
afterAll(() => removeFolder(far));

const [a, b, c] = ["a", "b", "c"].map((letter) => letter.repeat(64)) as [string, string, string];
const launch = (job: Record<string, unknown>) => {
  return {
    attempt: "r-s-g1-s0-e1",
    epoch: 1,
    engine: "process",
    node: "n",
    kind: "t",
    env: {},
    graceSeconds: 1,
    job,
  };
};

test("what was committed is named by its hash, a model from outside by its name, the rest as it stands", () => {
  const { job } = farLaunch(
    launch({
      seed: 3,
      inputs: [
        { kind: "corpus", stage: "data", uri: "file:///w/artifacts/x", sha256: a, meta: { n: 1 } },
        { kind: "model", stage: null, uri: "file:///w/models/qwen3/base", sha256: b },
        { kind: "model", stage: null, uri: "file:///elsewhere/qwen3", sha256: b },
      ],
      resume: {
        ...{ uri: "file:///w/attempts/y/step-10", step: 10, sha256: b, fork: false },
        older: [{ uri: "file:///w/attempts/y/step-5", step: 5, sha256: c }],
      },
    }),
    "/w/models",
  );
  expect(job).toEqual({
    seed: 3,
    inputs: [
      { kind: "corpus", stage: "data", uri: `legalone://artifacts/${a}`, sha256: a, meta: { n: 1 } },
      { kind: "model", stage: null, uri: "models://qwen3/base", sha256: b },
      { kind: "model", stage: null, uri: "file:///elsewhere/qwen3", sha256: b },
    ],
    resume: {
      ...{ uri: `legalone://artifacts/${b}`, step: 10, sha256: b, fork: false },
      older: [{ uri: `legalone://artifacts/${c}`, step: 5, sha256: c }],
    },
  });
});

test("the node takes a model from its own folder of models", async () => {
  const client = new ArtifactClient(() => ({ address: "http://127.0.0.1:9", token: "t" }));
  const store = new FarStore({
    client,
    home: far,
    models: join(far, "models"),
    log: createLog({ level: "error" }),
  });
  mkdirSync(join(far, "models", "qwen3"), { recursive: true });
  const bring = (uri: string) =>
    store.bring(launch({ inputs: [{ kind: "model", stage: null, uri }] }), new AbortController().signal);
  expect((await bring("models://qwen3")).spec.job.inputs).toMatchObject([
    { uri: `file://${far}/models/qwen3` },
  ]);
  await expect(bring("models://other")).rejects.toThrow(`not on this node: file://${far}/models/other`);
});
