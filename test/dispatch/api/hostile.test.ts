import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 as hashOf } from "../../../src/core/hash.ts";
import { readRun } from "../../../src/records/reads/runs.ts";
import { submitRun } from "../../../src/records/runs.ts";
import { type ControlPlane, startControlPlane } from "../../support/control-plane.ts";
import { hostileText, spoilt } from "../../support/hostile.ts";
import { runOf } from "../../support/pipelines.ts";
import { removeFolder } from "../../support/remove-folder.ts";
import { ScriptedAgent, success } from "../../support/scripted-agent.ts";
import { type Servers, startServers } from "../../support/servers.ts";

const cases = Number(process.env.LEGALONE_CASES || (process.env.LEGALONE_LONG === "1" ? 10_000 : 1000));
const seed = Number(process.env.LEGALONE_SEED || Date.now() % 2 ** 31);
const at = "2026-01-02T03:04:05.678Z";
const sha256 = "a".repeat(64);

let servers: Servers;
let plane: ControlPlane;
/** A folder with the workspace and, beside it, what nobody may touch. */
let place: string;
beforeAll(async () => {
  servers = await startServers();
  place = mkdtempSync(join(tmpdir(), "legalone-hostile-"));
  const home = join(place, "home");
  for (const folder of [
    "beside/artifacts",
    "home/attempts/other",
    "home/postgres",
    `home/artifacts/${sha256}`,
  ])
    mkdirSync(join(place, folder), { recursive: true });
  for (const file of [
    "beside/thesis",
    "x",
    "home/postgres/PG_VERSION",
    "home/attempts/other/job.json",
    `home/artifacts/${sha256}/manifest.json`,
  ])
    writeFileSync(join(place, file), `{"files":[]} ${file}`);
  plane = await startControlPlane(servers.database, { lease: 1e7, dispatch: 1e7, stall: 1e7 }, home);
});
afterAll(async () => {
  await plane.stop();
  await servers.stop();
  removeFolder(place);
});

/** Every file with its content and every folder, but for half uploads, which are of attempts alone. */
function listing(folder = place): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name === ".uploads") return [];
    if (statSync(path).isDirectory()) return [relative(place, path), ...listing(path)];
    return [`${relative(place, path)} ${readFileSync(path, "utf8")}`];
  });
}

interface Sent {
  method: string;
  path: string;
  body?: unknown;
  raw?: boolean;
}

async function send({ method, path, body, raw }: Sent) {
  const response = await fetch(new URL(path, plane.address), {
    method,
    headers: {
      "content-type": raw ? "application/octet-stream" : "application/json",
      authorization: `Bearer ${plane.token}`,
    },
    ...(body === undefined ? {} : { body: raw ? String(body) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text };
}

test(`${cases} hostile lines and requests (seed ${seed}): no 500, nothing outside, the reconciler lives`, {
  timeout: 600_000,
}, async () => {
  console.log(`${cases} cases, seed ${seed}`);
  const agent = new ScriptedAgent(plane, "victim");
  await submitRun(plane.database, runOf([{ name: "a", outputs: [] }]));
  for (; agent.held.size === 0; await agent.sync()) await plane.look();
  const { spec } = [...agent.held.values()][0]!;
  const { attempt, epoch } = spec;
  const before = listing();

  const lines = [
    { type: "started", at, attempt, epoch, pid: 7, program: "p", versions: { python: "3" }, device: "cpu" },
    { type: "heartbeat", at, rssBytes: 1, step: 2 },
    { type: "phase", at, phase: "training", detail: "d" },
    { type: "progress", at, step: 1, of: 2, unit: "steps" },
    { type: "metric", at, name: "loss", step: 1, value: 0.5 },
    {
      type: "checkpoint",
      at,
      path: "step-1",
      step: 1,
      sha256,
      bytes: 3,
      cursor: { row: 4 },
    },
    {
      type: "artifact",
      at,
      kind: "model",
      path: "output/model",
      sha256,
      bytes: 3,
      meta: { a: 1 },
    },
    { type: "warning", at, message: "m", code: "checkpoint_damaged", checkpoint: sha256 },
    {
      type: "result",
      at,
      status: "failed",
      reason: "crashed",
      message: "m",
      hint: "h",
      metrics: { loss: 1 },
      summary: { a: ["b"] },
    },
  ];
  const about = { pid: 1, build: "b", address: "", engines: ["none"], npus: 0, slots: 1, info: { a: 1 } };
  const sync = { agent: { ...about, workspace: "w" }, attempts: [{ attempt, epoch, state: "running" }] };
  const exit = { epoch: epoch + 1, code: 0, signal: null, lost: false, at, reason: "crashed", message: "m" };
  const manifest = {
    files: [
      { path: "a.bin", size: 0, sha256 },
      { path: "b/c.bin", size: 1, sha256 },
    ],
  };
  const part = hostileText.map((text) =>
    encodeURIComponent(text.slice(0, 500).replace(/\p{Surrogate}/gu, "?")),
  );
  const uploads = `/v1/attempts/${attempt}/uploads`;
  let offset = 0;
  const batch = (line: unknown) => ({ epoch, offset, bytes: 10, lines: [line] });
  const request: fc.Arbitrary<() => Sent> = fc.oneof(
    {
      weight: 12,
      arbitrary: spoilt(lines).map((line) => () => ({
        method: "POST",
        path: `/v1/attempts/${attempt}/events`,
        body: batch(line),
      })),
    },
    {
      weight: 2,
      // Of the batch itself: its offset is not the next, so it is never taken by chance.
      arbitrary: spoilt([{ epoch, offset: -1, bytes: 1, lines: [lines[1]] }]).map((body) => () => ({
        method: "POST",
        path: `/v1/attempts/${attempt}/events`,
        body,
      })),
    },
    {
      weight: 3,
      arbitrary: spoilt([sync]).map((body) => () => ({ method: "POST", path: "/v1/nodes/other/sync", body })),
    },
    {
      weight: 1,
      arbitrary: spoilt([exit]).map((body) => () => ({
        method: "POST",
        path: `/v1/attempts/${attempt}/exit`,
        body,
      })),
    },
    {
      weight: 2,
      arbitrary: spoilt([manifest]).map((value) => () => {
        const body = JSON.stringify(value);
        return { method: "POST", path: `${uploads}/${hashOf(body)}?epoch=${epoch}`, body, raw: true };
      }),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(part, fc.nat(9)).map(
        ([text, which]) =>
          (): Sent =>
            [
              { method: "GET", path: `/v1/artifacts/${text}` },
              { method: "GET", path: `/v1/artifacts/${sha256}/files/${text}` },
              { method: "GET", path: `/v1/attempts/${text}/launch` },
              { method: "POST", path: `/v1/nodes/${text}/sync`, body: sync },
              { method: "POST", path: `/v1/attempts/${text}/events`, body: batch(lines[1]) },
              { method: "POST", path: `/v1/attempts/${text}/exit`, body: exit },
              { method: "POST", path: `/v1/attempts/${text}/uploads/${sha256}/commit?epoch=1`, body: {} },
              { method: "PUT", path: `${uploads}/${text}/files/0?epoch=${epoch}`, body: "x", raw: true },
              {
                method: "PUT",
                path: `${uploads}/${sha256}/files/${text}?epoch=${epoch}&offset=0`,
                body: "x",
                raw: true,
              },
              {
                method: "PUT",
                path: `${uploads}/${sha256}/files/0?epoch=${text}&offset=${text}`,
                body: "x",
                raw: true,
              },
            ][which]!,
      ),
    },
  );
  await fc.assert(
    fc.asyncProperty(request, async (make) => {
      const sent = make();
      const { status, text } = await send(sent);
      // 507: a manifest may well name more than the disk can take.
      if (status >= 500 && status !== 507)
        throw new Error(`${status} ${text} to ${JSON.stringify(sent).slice(0, 2000)}`);
      if (status === 200 && "acknowledged" in JSON.parse(text || "{}"))
        offset = JSON.parse(text).acknowledged;
      return true;
    }),
    { numRuns: cases, seed, endOnFailure: true },
  );

  expect(offset).toBeGreaterThan(cases);
  expect(listing()).toEqual(before);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
  for (const { sha256: hash, step } of await plane.database.artifact.findMany())
    expect([hash, step === null || Number.isSafeInteger(step)]).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}$/),
      true,
    ]);

  const { status } = await send({ method: "GET", path: "/healthz" });
  expect(status).toBe(200);
  expect(await agent.exit(attempt, { code: 1 })).toBe(200);
  // Nodes that only asked are silent by then.
  await sleep(plane.times.nodeSilence);
  const { run } = await submitRun(
    plane.database,
    runOf([
      { name: "a", outputs: [] },
      { name: "b", outputs: [], needs: ["a"] },
    ]),
  );
  await new ScriptedAgent(plane, "fresh").work(
    (one) => success(one, []),
    async () => (await readRun(plane.database, run)).verdict.ended,
  );
  expect((await readRun(plane.database, run)).verdict.state).toBe("succeeded");
});
