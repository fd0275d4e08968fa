import { afterAll, beforeAll, expect, test } from "vitest";
import { readRun } from "../../src/records/reads/runs.ts";
import { submitRun } from "../../src/records/runs.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { runOf } from "../support/pipelines.ts";
import { expectReplayGivesRows } from "../support/replay-check.ts";
import { ScriptedAgent, success } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let plane: ControlPlane;
beforeAll(async () => {
  servers = await startServers();
  plane = await startControlPlane(servers.database);
});
afterAll(async () => {
  await plane.stop();
  await servers.stop();
});

const stagesOf = (run: string) =>
  plane.database.stage.findMany({
    where: { runId: run },
    orderBy: { position: "asc" },
    include: { gates: true },
  });
const ended = (run: string) => async () => (await stagesOf(run)).every((stage) => stage.endedAt !== null);

test("a whole run over the HTTP API: in order, with inputs, and again from the cache", async () => {
  const agent = new ScriptedAgent(plane);
  const stages = [
    { name: "corpus", outputs: ["corpus"] },
    { name: "base", needs: ["corpus"] },
    { name: "perplexity", needs: ["corpus", "base"], outputs: ["packed"], shards: 2 },
    { name: "midtrain", needs: ["perplexity", "base"] },
  ];
  const { run } = await submitRun(plane.database, runOf(stages));
  const outputs = (name: unknown) => stages.find((stage) => stage.name === name)?.outputs ?? ["model"];
  const started = await agent.work((spec) => success(spec, outputs(spec.job.stage), { loss: 1 }), ended(run));
  expect(started.map(({ job }) => [job.stage, job.shard])).toEqual([
    ["corpus", 0],
    ["base", 0],
    ["perplexity", 0],
    ["perplexity", 1],
    ["midtrain", 0],
  ]);
  const inputs = started.at(-1)?.job.inputs as { kind: string; stage: string }[];
  expect(inputs.map(({ kind, stage }) => `${stage}/${kind}`)).toEqual([
    "perplexity/packed",
    "perplexity/packed",
    "base/model",
  ]);
  expect((await readRun(plane.database, run)).verdict).toMatchObject({ state: "succeeded", exitCode: 0 });

  const again = await submitRun(plane.database, runOf(stages));
  expect(await agent.work(() => ({}), ended(again.run))).toEqual([]);
  expect((await stagesOf(again.run)).map((stage) => stage.state)).toEqual(Array(4).fill("SKIPPED"));

  await expectReplayGivesRows(plane.database);
});
