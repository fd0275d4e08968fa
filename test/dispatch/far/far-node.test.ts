import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "../../../src/core/paths.ts";
import { placePath, storedHash } from "../../../src/core/places.ts";
import { type Database, openDatabase } from "../../../src/records/database.ts";
import { databaseSpec, postgresSocketFolder } from "../../../src/services/addresses.ts";
import { type CommandLine, openCommandLine } from "../../support/command-line.ts";
import { type FarPlace, openFarPlace } from "../../support/far-place.ts";
import { removeFolder } from "../../support/remove-folder.ts";
import { type Servers, startServers } from "../../support/servers.ts";

const pipeline = `
version: 1
name: far
seed: 3
stages:
  data: {uses: make-data, with: {documents: 5000}}
  base: {uses: tiny-train, needs: [data], with: {steps: 30, legal_ppl: 240}, checkpoint: {every: 5, keep: 2}}
  export: {uses: deliver, needs: [base]}
`;

const token = "a-token-of-the-far-test";
const bin = join(packageRoot, "dist", "bin.js");
const place: FarPlace = openFarPlace();
const children: ChildProcess[] = [];
let service: string;
let servers: Servers;
let database: Database;
let address: string;
let line: CommandLine;
let expected: Record<string, string>;

/** Hashes of what each stage of a run handed on. */
async function outputsOf(db: Database, runId: string): Promise<Record<string, string>> {
  const rows = await db.artifact.findMany({
    where: { runId, kind: { not: "checkpoint" } },
    include: { stage: { select: { name: true } } },
  });
  return Object.fromEntries(rows.map(({ stage, kind, sha256 }) => [`${stage.name} ${kind}`, sha256]));
}

beforeAll(async () => {
  // The same pipeline beside its control plane, on one machine, in a workspace of its own.
  line = openCommandLine();
  const near = await line.legalone("train", line.pipeline("far", pipeline));
  expect(near).toMatchObject({ code: 0 });
  const own = openDatabase(databaseSpec(line.home));
  expected = await outputsOf(own, (await own.run.findFirstOrThrow()).id);
  await own.$disconnect();

  // PostgreSQL's user needs no way through a workspace that is closed to all others.
  service = mkdtempSync(join(tmpdir(), "legalone-service-"));
  chmodSync(service, 0o711);
  process.env.LEGALONE_SERVICE_FOLDER = service;
  servers = await startServers({ mode: 0o700 });
  database = openDatabase(databaseSpec(servers.home));
  const serve = spawn(process.execPath, [bin, "serve", "--host", place.host], {
    env: { ...ours(), LEGALONE_TOKEN: token, LEGALONE_TIME_GRACE: "5000" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  children.push(serve);
  const note = join(servers.home, "serve.json");
  while (!existsSync(note) && serve.exitCode === null) await sleep(50);
  ({ address } = JSON.parse(readFileSync(note, "utf8")) as { address: string });
}, 120_000);

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await database?.$disconnect();
  await servers?.stop();
  await line?.close();
  place.close();
  if (service) removeFolder(service);
  delete process.env.LEGALONE_SERVICE_FOLDER;
});

function ours(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LEGALONE_HOME: servers.home,
    LEGALONE_STAGES: join(line.home, "source", "stages"),
    LEGALONE_TIME_SCALE: "0.05",
    LEGALONE_LOG_LEVEL: "error",
    NO_COLOR: "1",
  };
}

interface FarAgent {
  home: string;
  process: ChildProcess;
  log(): string;
}

/** An agent that knows an address and a token, and nothing else of ours. */
function startFar(node: string): FarAgent {
  const { home, stages } = place.folder(node, join(line.home, "source", "stages"));
  const child = place.start([process.execPath, bin, "agent", "--node", node, "--serve", address], {
    LEGALONE_HOME: home,
    LEGALONE_STAGES: stages,
    LEGALONE_TOKEN: token,
    LEGALONE_TIME_SCALE: "0.05",
    LEGALONE_CONTAINER_SOCKET: "",
    LEGALONE_OWNER_PID: String(process.pid),
  });
  children.push(child);
  let log = "";
  child.stderr?.on("data", (data: Buffer) => {
    log += data.toString();
  });
  return { home, process: child, log: () => log };
}

/** Submits the pipeline; the command line has the database, the agents have not. */
function submit(...more: string[]) {
  const file = line.pipeline("far", pipeline);
  return spawnText(["train", file, "--json", ...more], { ...ours(), LEGALONE_SERVE_URL: address });
}

async function spawnText(words: string[], env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [bin, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    text += data.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text };
}

const newestRun = async () => (await database.run.findFirstOrThrow({ orderBy: { createdAt: "desc" } })).id;
const checkpointsOf = (runId: string) =>
  database.artifact.findMany({ where: { runId, kind: "checkpoint" }, orderBy: { committedAt: "asc" } });

describe("the far place", () => {
  test("says what of another machine it is", () => {
    process.stdout.write(`far place: ${JSON.stringify({ ...place.means, lacks: place.lacks })}\n`);
    expect(place.means.network || place.lacks.length > 0).toBe(true);
  });

  test.skipIf(!place.means.user)("its user can read nothing of the workspace and reach no database", () => {
    expect(place.run(["id", "-u"]).output.trim()).toBe("54321");
    for (const path of [servers.home, join(servers.home, "serve.json"), join(servers.home, "artifacts")]) {
      const { code, output } = place.run(["ls", "-l", path]);
      expect({ path, code, output }).toMatchObject({ code: 2, output: expect.stringContaining("denied") });
    }
    const socket = join(postgresSocketFolder(servers.home), ".s.PGSQL.5432");
    expect(existsSync(socket)).toBe(true);
    const connect = `require("node:net").connect(${JSON.stringify(socket)}).on("connect", () => process.exit(0)).on("error", (e) => { console.log(e.code); process.exit(1) })`;
    expect(place.run([process.execPath, "-e", connect])).toMatchObject({ code: 1, output: "EACCES\n" });
  });

  test.skipIf(!place.means.network)(
    "its network reaches serve and nothing else of this machine",
    async () => {
      const open = createServer().listen(0, "127.0.0.1");
      await once(open, "listening");
      const { port } = open.address() as { port: number };
      const get = (url: string) =>
        place.run([
          process.execPath,
          "-e",
          `fetch("${url}").then((r) => console.log(r.status), (e) => console.log(e.cause.code))`,
        ]);
      expect(get(`${address}/healthz`).output).toBe("200\n");
      expect(get(`http://127.0.0.1:${port}/`).output).toBe("ECONNREFUSED\n");
      open.close();
    },
  );
});

test("a run on a far node ends as on a near one, and all it made lies in serve's workspace", {
  timeout: 90_000,
}, async () => {
  const far = startFar("far-1");
  const { code, text } = await submit("--set", "stages.base.with.step_seconds=0.02");
  expect({ code, text: code === 0 ? "" : text + far.log() }).toEqual({ code: 0, text: "" });
  const run = await newestRun();
  expect(await outputsOf(database, run)).toEqual(expected);
  const attempts = await database.attempt.findMany({ where: { shard: { stage: { runId: run } } } });
  expect(attempts.map(({ nodeId, state }) => `${nodeId} ${state}`)).toEqual(Array(3).fill("far-1 SUCCEEDED"));
  // Rows name the store of this workspace; what the worker pruned is gone here as well.
  for (const { uri, goneAt, kind } of await database.artifact.findMany({ where: { runId: run } })) {
    expect(storedHash(uri)).toBeDefined();
    expect({ kind, there: existsSync(placePath(servers.home, uri)!) }).toEqual({
      kind,
      there: goneAt === null,
    });
  }
  const checkpoints = await checkpointsOf(run);
  expect(checkpoints.map(({ step, goneAt }) => [step, goneAt === null])).toEqual([
    [5, false],
    [10, false],
    [15, false],
    [20, false],
    [25, true],
    [30, true],
  ]);
  expect(readdirSync(join(servers.home, "artifacts", ".uploads"))).toEqual([]);
  const to = join(line.home, "exported");
  const exported = await spawnText(["export", run, "--to", to], ours());
  expect(exported).toMatchObject({ code: 0, text: expect.stringContaining("all hashes hold") });
  far.process.kill("SIGTERM");
  await once(far.process, "exit");
});

test("a node dies in mid-training; another one goes on from the uploaded checkpoint", {
  timeout: 120_000,
}, async () => {
  const first = startFar("far-2");
  const submitted = submit(
    "--set",
    "stages.base.with.step_seconds=0.15",
    "--set",
    "stages.data.with.documents=6000",
  );
  await expect.poll(async () => (await database.run.count()) === 2, { timeout: 20_000 }).toBe(true);
  const run = await newestRun();
  const liveOn = (nodeId: string) =>
    database.attempt.findFirst({
      where: { nodeId, endedAt: null, shard: { stage: { runId: run, name: "base" } } },
    });
  await expect.poll(async () => (await checkpointsOf(run)).length, { timeout: 30_000 }).toBeGreaterThan(0);
  const attempt = await liveOn("far-2");
  const { pid } = JSON.parse(readFileSync(join(first.home, "attempts", attempt!.id, "pid.json"), "utf8")) as {
    pid: number;
  };

  if (place.means.network) {
    const before = attempt!.step ?? 0;
    place.cable("down");
    await sleep(600);
    place.cable("up");
    await expect
      .poll(async () => (await liveOn("far-2"))?.step ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(before);
  }

  first.process.kill("SIGKILL");
  process.kill(-pid, "SIGKILL");
  const saved = (await checkpointsOf(run)).at(-1)!;
  const second = startFar("far-3");
  const { code, text } = await submitted;
  expect({ code, text: code === 0 ? "" : text + second.log() }).toEqual({ code: 0, text: "" });
  const attempts = await database.attempt.findMany({
    where: { shard: { stage: { runId: run, name: "base" } } },
    orderBy: { epoch: "asc" },
  });
  expect(attempts.map(({ nodeId, state }) => `${nodeId} ${state}`)).toEqual([
    "far-2 LOST",
    "far-3 SUCCEEDED",
  ]);
  expect(attempts[1]!.resumeFrom).toBe(saved.id);
  const { uri } = JSON.parse(readFileSync(join(second.home, "attempts", attempts[1]!.id, "job.json"), "utf8"))
    .resume as { uri: string };
  expect(uri).toBe(pathToFileURL(join(second.home, "artifacts", saved.sha256)).href);
  expect((await outputsOf(database, run))["base model"]).toBe(expected["base model"]);
  second.process.kill("SIGTERM");
  await once(second.process, "exit");
});
