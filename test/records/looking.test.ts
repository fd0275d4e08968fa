import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { gc } from "../../src/cli/actions/gc.ts";
import { lookFor, placePath } from "../../src/core/places.ts";
import type { EventLine } from "../../src/dispatch/api/contract.ts";
import { isFree } from "../../src/records/garbage/mark.ts";
import { readGarbageFacts } from "../../src/records/garbage/read.ts";
import { checkpointsOf } from "../../src/records/reads/checkpoints.ts";
import { findCheckpoints } from "../../src/records/reads/planning.ts";
import { resumeRun } from "../../src/records/resume.ts";
import { submitRun } from "../../src/records/runs.ts";
import { writeArtifact } from "../support/artifact-folder.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { runOf } from "../support/pipelines.ts";
import { line, ScriptedAgent, success } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let plane: ControlPlane;
let agent: ScriptedAgent;
beforeAll(async () => {
  servers = await startServers();
  const patient = { lease: 3_600_000, dispatch: 3_600_000 };
  plane = await startControlPlane(servers.database, patient, servers.home);
});
afterAll(async () => {
  await plane?.stop();
  await servers?.stop();
});
let count = 0;
beforeEach(async () => {
  // Nothing is placed on nodes of earlier tests, which nobody speaks for any more.
  await plane.database.node.updateMany({ data: { engines: [] } });
  agent = new ScriptedAgent(plane, `n${++count}`);
});

/** Two stages, the second made from the first; unlike those of other tests. */
const submit = async () => {
  const more = { with: { test: count } };
  const stages = [
    { name: "a", ...more },
    { name: "b", needs: ["a"], ...more },
  ];
  return (await submitRun(plane.database, runOf(stages))).run;
};
const statesOf = async (run: string) => {
  const rows = await plane.database.stage.findMany({
    where: { runId: run },
    orderBy: [{ position: "asc" }, { generation: "asc" }],
  });
  return rows.map(({ name, state }) => `${name} ${state}`);
};
const over = (run: string) => async () => {
  const open = await plane.database.stage.count({ where: { runId: run, endedAt: null } });
  return open === 0;
};
/** The bytes of what the records name, as agents leave them. */
async function house(run: string): Promise<void> {
  for (const { uri } of await plane.database.artifact.findMany({ where: { runId: run } })) {
    if (existsSync(placePath(servers.home, uri)!)) continue;
    mkdirSync(placePath(servers.home, uri)!, { recursive: true });
    writeFileSync(join(placePath(servers.home, uri)!, "manifest.json"), "{}");
  }
}
async function finished(): Promise<string> {
  const run = await submit();
  const whole = (spec: Parameters<typeof success>[0]) => {
    const script = success(spec);
    return {
      ...script,
      lines: [...(script.lines ?? []).slice(0, 1), line.checkpoint(5), ...(script.lines ?? []).slice(1)],
    };
  };
  await agent.work((spec) => {
    const script = whole(spec);
    return { ...script, lines: (script.lines ?? []).map((one) => made(one, `${spec.job.stage} ${count}`)) };
  }, over(run));
  await house(run);
  return run;
}
/** The line, with its output at its place. */
function made<T extends EventLine>(one: T, text: string): T {
  if (one.type !== "artifact") return one;
  const folder = mkdtempSync(join(servers.home, "made-"));
  const { content } = writeArtifact(folder, { "model.bin": Buffer.from(text) });
  mkdirSync(join(servers.home, "artifacts"), { recursive: true });
  renameSync(folder, join(servers.home, "artifacts", content));
  return { ...one, sha256: content };
}
const goneOf = async (run: string) =>
  (await plane.database.artifact.findMany({ where: { runId: run, goneAt: { not: null } } })).map(
    ({ kind, goneWhy }) => `${kind} ${goneWhy}`,
  );

/** Another machine, or a workspace that was never this one's. */
function elsewhere(): void {
  const home = mkdtempSync(join(tmpdir(), "legalone-elsewhere-"));
  const before = process.env.LEGALONE_HOME;
  process.env.LEGALONE_HOME = home;
  onTestFinished(() => {
    if (before === undefined) delete process.env.LEGALONE_HOME;
    else process.env.LEGALONE_HOME = before;
    rmSync(home, { recursive: true });
  });
}

test("commands on another machine give nothing up by looking: plan, fork and resume", async () => {
  const run = await finished();
  elsewhere();
  const { configHash } = await plane.database.run.findUniqueOrThrow({ where: { id: run } });
  await findCheckpoints(plane.database, configHash);
  expect(await checkpointsOf(plane.database, run, "a")).toHaveLength(1);
  expect(await resumeRun(plane.database, run)).toEqual([]);
  expect(await goneOf(run)).toEqual([]);
});

test("a command that does not see an output has it asked for again; what is there all the same is taken from the cache", async () => {
  const run = await finished();
  const folder = placePath(
    servers.home,
    (
      await plane.database.artifact.findFirstOrThrow({
        where: { runId: run, kind: "model", stage: { name: "a" } },
      })
    ).uri,
  )!;
  const before = process.env.LEGALONE_HOME;
  process.env.LEGALONE_HOME = servers.home;
  onTestFinished(() => {
    if (before === undefined) delete process.env.LEGALONE_HOME;
    else process.env.LEGALONE_HOME = before;
  });
  renameSync(folder, `${folder}.away`);
  const again = await resumeRun(plane.database, run, { stages: ["b"] });
  expect(again).toEqual(["a", "b"]);
  expect(await goneOf(run)).toEqual([]);
  renameSync(`${folder}.away`, folder);
  await agent.work((spec) => success(spec), over(run));
  expect(await statesOf(run)).toEqual(["a SUCCEEDED", "a SKIPPED", "b SUCCEEDED", "b SUCCEEDED"]);
});

test("serve marks what is not there before it counts, and takes the mark back when it is", async () => {
  const run = await finished();
  const outputs = await plane.database.artifact.findMany({ where: { runId: run, kind: "model" } });
  const folders = outputs.map(({ uri }) => placePath(servers.home, uri)!);
  for (const folder of folders) renameSync(folder, `${folder}.away`);
  const second = (await submitRun(plane.database, runOf([{ name: "a", with: { test: count } }]))).run;
  await expect.poll(async () => (await plane.look(), (await agent.sync()).assignments.length)).toBe(1);
  expect(await goneOf(run)).toEqual(["model missing"]);
  const [first] = outputs as [(typeof outputs)[0]];
  // No gc takes what may come back.
  expect((await readGarbageFacts(plane.database)).artifacts.find(({ id }) => id === first.id)?.gone).toBe(
    false,
  );
  expect(await isFree(plane.database, first.uri, [])).toBe(false);
  for (const folder of folders) renameSync(`${folder}.away`, folder);
  const third = (await submitRun(plane.database, runOf([{ name: "a", with: { test: count } }]))).run;
  await plane.look();
  await expect.poll(() => statesOf(third)).toEqual(["a SKIPPED"]);
  expect(await goneOf(run)).toEqual([]);
  expect(await statesOf(second)).toEqual(["a RUNNING"]);
});

test("a resume goes on from the newest checkpoint that is there", async () => {
  const run = await submit();
  await agent.work(
    (spec) => ({
      lines: [line.started(spec), line.checkpoint(5), line.checkpoint(10), line.failed("data_error")],
      exit: { code: 4 },
    }),
    over(run),
  );
  await house(run);
  const newest = await plane.database.artifact.findFirstOrThrow({ where: { runId: run, step: 10 } });
  rmSync(placePath(servers.home, newest.uri)!, { recursive: true });
  elsewhere();
  expect(await resumeRun(plane.database, run)).toContain("a");
  const resumed = async () => {
    await agent.sync();
    await plane.look();
    const row = await plane.database.attempt.findFirst({ where: { id: { startsWith: `${run}-a-g2` } } });
    return row && (await plane.database.artifact.findUnique({ where: { id: row.resumeFrom ?? "" } }))?.step;
  };
  await expect.poll(resumed, { timeout: 30_000 }).toBe(5);
  expect(await goneOf(run)).toEqual(["checkpoint missing"]);
});

test("only the absence of an entry in a workspace that can be read says that it is missing", () => {
  const home = mkdtempSync(join(tmpdir(), "legalone-look-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  const uri = `legalone://artifacts/${"a".repeat(64)}`;
  const seen = () => lookFor(home, uri);
  expect(seen()).toBe("unknown");
  mkdirSync(join(home, "artifacts"));
  writeFileSync(join(home, "workspace.id"), "name\n");
  expect(seen()).toBe("unknown"); // a mount that is away leaves an empty folder
  mkdirSync(join(home, "artifacts", "b".repeat(64)));
  expect(seen()).toBe("missing");
  writeFileSync(join(home, "workspace.id"), "");
  expect(seen()).toBe("unknown");
  writeFileSync(join(home, "workspace.id"), "name\n");
  symlinkSync(join(home, "artifacts", "a".repeat(64)), join(home, "artifacts", "a".repeat(64)));
  expect(seen()).toBe("unknown"); // there is something, and it is no folder
  rmSync(join(home, "artifacts"), { recursive: true });
  writeFileSync(join(home, "artifacts"), "");
  expect(seen()).toBe("unknown"); // ENOTDIR
  rmSync(join(home, "artifacts"));
  symlinkSync(join(home, "artifacts"), join(home, "artifacts"));
  expect(seen()).toBe("unknown"); // ELOOP
  expect(lookFor(home, "file:///nowhere")).toBe("unknown");
});

test("an output that was cut off is no cache hit: it is given up, and out of the place of what is made again", async () => {
  const run = await finished();
  const { uri } = await plane.database.artifact.findFirstOrThrow({
    where: { runId: run, kind: "model", stage: { name: "a" } },
  });
  const folder = placePath(servers.home, uri)!;
  truncateSync(join(folder, "model.bin"), 1);
  const second = (await submitRun(plane.database, runOf([{ name: "a", with: { test: count } }]))).run;
  await expect
    .poll(async () => (await plane.look(), await agent.sync(), await statesOf(second)), { timeout: 30_000 })
    .toEqual(["a RUNNING"]);
  expect(await goneOf(run)).toEqual(["model damaged"]);
  expect(existsSync(folder)).toBe(false);
});

test("a folder that a live attempt is about to name is not free, nor one that a row names", async () => {
  const run = await submit();
  await expect
    .poll(async () => (await plane.look(), await agent.sync(), agent.held.size), { timeout: 30_000 })
    .toBe(1);
  const [attempt] = [...agent.held.keys()] as [string];
  expect(attempt).toContain(run);
  const uri = `legalone://artifacts/${"9".repeat(64)}`;
  expect(await isFree(plane.database, uri, [])).toBe(true);
  expect(await isFree(plane.database, uri, [attempt])).toBe(false);
  expect(await isFree(plane.database, uri, ["r1-over-g1-s0-e1"])).toBe(true);
  expect((await agent.lines(attempt, [line.checkpoint(5)])).status).toBe(200);
  await house(run);
  const own = await plane.database.artifact.findFirstOrThrow({ where: { attemptId: attempt } });
  expect(await isFree(plane.database, own.uri, [])).toBe(false);

  // A fork is to begin with step 5: it stays, and its agent is told so, while later ones go.
  const fork = (await submitRun(plane.database, runOf([{ name: "f", with: { test: -count } }]))).run;
  await plane.database.stage.updateMany({ where: { runId: fork }, data: { startFrom: own.id } });
  const answers = [];
  for (const step of [6, 7, 8, 9, 10])
    answers.push((await agent.lines(attempt, [line.checkpoint(step)])).body);
  expect(answers.at(-1)).toMatchObject({ keep: [5] });
  const rows = await plane.database.artifact.findMany({
    where: { attemptId: attempt },
    orderBy: { step: "asc" },
  });
  expect(rows.filter(({ goneAt }) => goneAt === null).map(({ step }) => Number(step))).toEqual([5, 8, 9, 10]);
});

test("of two gc at once each thing is removed by one, and neither fails", async () => {
  const run = await finished();
  const said: string[] = [];
  const written = vi.spyOn(process.stdout, "write").mockImplementation((text) => said.push(String(text)) > 0);
  const all = { json: true, olderThan: 0, keepRuns: 0 };
  try {
    await Promise.all([gc(all), gc(all)]);
  } finally {
    written.mockRestore();
  }
  const told = said.map(
    (text) => JSON.parse(text) as { outputs: number; checkpoints: number; bytes: number },
  );
  expect(told).toHaveLength(2);
  // The second finds nothing left to do.
  expect(told[0]!.outputs).toBeGreaterThanOrEqual(2);
  expect(told[1]).toMatchObject({ outputs: 0, checkpoints: 0, bytes: 0 });
  const rows = await plane.database.artifact.findMany({ where: { runId: run } });
  expect(rows.map(({ goneWhy }) => goneWhy)).toEqual(rows.map(() => "removed"));
  for (const { uri } of rows) expect(existsSync(placePath(servers.home, uri)!)).toBe(false);
  const removed = { runId: run, type: "artifacts.removed" };
  expect(await plane.database.event.count({ where: removed })).toBe(1);
});
