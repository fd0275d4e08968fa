import { mkdtempSync, renameSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mostTold } from "../../../src/dispatch/api/quota.ts";
import { submitRun } from "../../../src/records/runs.ts";
import { writeArtifact } from "../../support/artifact-folder.ts";
import { type ControlPlane, startControlPlane } from "../../support/control-plane.ts";
import { runOf } from "../../support/pipelines.ts";
import { removeFolder } from "../../support/remove-folder.ts";
import { line as lineOf, ScriptedAgent } from "../../support/scripted-agent.ts";
import { type Servers, startServers } from "../../support/servers.ts";

const cases = process.env.LEGALONE_LONG === "1" ? 2000 : 200;
const seed = Number(process.env.LEGALONE_SEED || Date.now() % 2 ** 31);
const sha256 = "a".repeat(64);

/** The attempt lives although nobody reports it. */
const patient = { lease: 1e7, dispatch: 1e7, nodeSilence: 1e7, stall: 1e7 };

let servers: Servers;
let plane: ControlPlane;
let home: string;
let attempt: string;
beforeAll(async () => {
  servers = await startServers();
  home = mkdtempSync(join(tmpdir(), "legalone-limits-"));
  const limits = {
    headMs: 400,
    idleMs: 400,
    bodyMs: 5000,
    streamMs: 400,
    answerMs: 400,
    lingerMs: 400,
    connections: 50,
    memory: 9_000_000,
  };
  plane = await startControlPlane(servers.database, patient, home, limits);
  const agent = new ScriptedAgent(plane);
  await submitRun(plane.database, runOf([{ name: "a" }]));
  for (; agent.held.size === 0; await agent.sync()) await plane.look();
  [attempt] = [...agent.held.keys()] as [string];
});
afterAll(async () => {
  await plane.stop();
  await servers.stop();
  removeFolder(home);
});

/** A connection, what came over it, and its end. */
function open(): { socket: Socket; said: () => string; ended: Promise<string> } {
  const { hostname, port } = new URL(plane.address);
  const socket = connect(Number(port), hostname).on("error", () => {});
  let text = "";
  socket.on("data", (data: Buffer) => {
    text += data.toString("latin1");
  });
  return {
    socket,
    said: () => text,
    ended: new Promise((resolve) => socket.on("close", () => resolve(text))),
  };
}

const head = (line: string, headers: Record<string, string | number> = {}, token = plane.token) =>
  `${[`${line} HTTP/1.1`, "host: x", `authorization: Bearer ${token}`, ...Object.entries(headers).map(([k, v]) => `${k}: ${v}`)].join("\r\n")}\r\n\r\n`;
const json = { "content-type": "application/json" };
const bytes = { "content-type": "application/octet-stream" };
const sync = "POST /v1/nodes/n/sync";
const healthy = async () => (await fetch(new URL("/healthz", plane.address))).status;

test("a token is asked for before a byte of the body, and who has none holds no connection", async () => {
  const { socket, ended, said } = open();
  socket.write(head(sync, { ...json, "content-length": 100_000 }, "guess"));
  await expect.poll(said).toMatch(/^HTTP\/1.1 401 /);
  // A byte now and then does not keep it.
  const drip = setInterval(() => socket.write(" "), 50);
  await ended;
  clearInterval(drip);
});

test.each([
  ["that says nothing", ""],
  ["with half a header", "POST /v1/nodes/n/sync HTTP/1.1\r\nhost: x\r\nx: "],
  ["whose request was answered", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"],
])("a connection %s is given up", async (_, text) => {
  const { socket, ended } = open();
  socket.write(text);
  await ended;
});

test.each([
  ["with a length", { "content-length": 100 }],
  ["in chunks", { "transfer-encoding": "chunked" }],
])("a body %s that does not end is given up, however many bytes drip", async (_, headers) => {
  const { socket, ended } = open();
  socket.write(head(sync, { ...json, ...headers }));
  const drip = setInterval(() => socket.write("content-length" in headers ? " " : "1\r\n \r\n"), 50);
  await ended;
  clearInterval(drip);
});

test("an upload that brings next to nothing is given up", async () => {
  const { socket, ended } = open();
  const manifest = JSON.stringify({ files: [{ path: "a", size: 1e6, sha256 }] });
  const hash = Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(manifest))).toString("hex");
  const path = `/v1/attempts/${attempt}/uploads/${hash}`;
  const begun = await fetch(new URL(`${path}?epoch=1`, plane.address), {
    method: "POST",
    headers: { ...bytes, authorization: `Bearer ${plane.token}` },
    body: manifest,
  });
  expect(begun.status).toBe(200);
  socket.write(head(`PUT ${path}/files/0?epoch=1`, { ...bytes, "content-length": 1e6 }));
  const drip = setInterval(() => socket.write("x"), 50);
  await ended;
  clearInterval(drip);
});

test.each([
  ["a file", "GET /v1/artifacts/SHA/files/0", 1],
  ["answers without a token", "GET /v1/nothing", 60_000],
])("who asks for %s and does not take it holds no connection", async (_, line, times) => {
  const made = join(home, "artifacts", "made");
  const { content } = writeArtifact(made, { "model.bin": Buffer.alloc(48 * 1024 * 1024) });
  renameSync(made, join(home, "artifacts", content));
  const { socket, said, ended } = open();
  socket.pause();
  const token = line.includes("SHA") ? plane.token : "none";
  socket.write(head(line.replace("SHA", content), {}, token).repeat(times));
  await sleep(3000);
  socket.resume();
  await ended;
  removeFolder(join(home, "artifacts", content));
  const answers = said().split("HTTP/1.1 ").length - 1;
  expect(line.includes("SHA") ? said().length / 1024 / 1024 : answers).toBeLessThan(times === 1 ? 48 : times);
  expect(answers).toBeGreaterThan(0);
});

test("what is received at once is bounded; who waits is told to come again", async () => {
  const holders = [open(), open(), open()];
  for (const { socket } of holders) socket.write(head(sync, { ...json, "content-length": 4_000_000 }));
  const said = await Promise.all(holders.map(({ ended }) => ended));
  expect(said.filter((text) => / 503 /.test(text))).toHaveLength(1);
  // What was held is free again.
  const { status } = await new ScriptedAgent(plane).post("/v1/doorbell", { pad: "x".repeat(4000) });
  expect(status).toBe(200);
});

test("more connections than there is room for are turned away, and room comes back", async () => {
  const all = Array.from({ length: 80 }, open);
  await Promise.all(all.map(({ ended }) => ended));
  expect(await healthy()).toBe(200);
});

test("of an event file without end only what counts is recorded, and it lives", async () => {
  const agent = new ScriptedAgent(plane);
  const rows = async () => [
    await plane.database.event.count({ where: { attemptId: attempt } }),
    await plane.database.metric.count({ where: { attemptId: attempt } }),
  ];
  const said = (n: number) => [
    ...Array.from({ length: n }, () => ({ type: "warning", at: new Date().toISOString(), message: "again" })),
    ...Array.from({ length: n }, (_, step) => lineOf.metric("loss", step, 1)),
    ...Array.from({ length: n }, (_, step) => lineOf.progress(step, n)),
    ...Array.from({ length: n }, () => lineOf.artifact("report")),
    ...Array.from({ length: n }, () => lineOf.failed("user_error")),
  ];
  let offset = 0;
  const post = async (bytes: number, lines: unknown[]) => {
    const answer = await agent.post(`/v1/attempts/${attempt}/events`, { epoch: 1, offset, bytes, lines });
    expect(answer).toMatchObject({ status: 200, body: { acknowledged: offset + bytes } });
    offset += bytes;
  };
  const heard = async () =>
    (await plane.database.attempt.findUniqueOrThrow({ where: { id: attempt } })).heartbeatAt;
  await post(mostTold, [lineOf.heartbeat()]);
  const [events] = await rows();
  const before = await heard();
  await post(1000, said(400));
  // That it is so, the output, the result.
  expect(await rows()).toEqual([events! + 3, 0]);
  await post(1000, said(400));
  expect(await rows()).toEqual([events! + 5, 0]);
  expect(before?.getTime()).toBeLessThan((await heard())!.getTime());
  const told = await plane.database.event.findMany({ where: { attemptId: attempt, type: "worker.warning" } });
  expect(told.map(({ data }) => data)).toMatchObject([{ code: "too_much_said" }]);
});

test("a manifest of 40,000 files keeps nobody waiting", async () => {
  const files = Array.from({ length: 40_000 }, (_, i) => ({ path: `data/part-${i}.bin`, size: 1, sha256 }));
  const manifest = JSON.stringify({ files });
  const hash = Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(manifest))).toString("hex");
  let over = false;
  const begun = fetch(new URL(`/v1/attempts/${attempt}/uploads/${hash}?epoch=1`, plane.address), {
    method: "POST",
    headers: { ...bytes, authorization: `Bearer ${plane.token}` },
    body: manifest,
  }).then(async (response) => {
    return { status: response.status, have: ((await response.json()) as { have: number[] }).have.length };
  });
  void begun.finally(() => {
    over = true;
  });
  let answers = 0;
  for (; !over; answers++) expect((await fetch(new URL("/healthz", plane.address))).status).toBe(200);
  expect(await begun).toEqual({ status: 200, have: 40_000 });
  expect(answers).toBeGreaterThan(10);
  const many = JSON.stringify({
    files: Array.from({ length: 60_000 }, (_, i) => ({ path: String(i), size: 1, sha256 })),
  });
  const tooMany = await fetch(new URL(`/v1/attempts/${attempt}/uploads/${sha256}?epoch=1`, plane.address), {
    method: "POST",
    headers: { ...bytes, authorization: `Bearer ${plane.token}` },
    body: many,
  });
  expect(tooMany.status).toBe(422);
});

test(`${cases} broken connections (seed ${seed}): each comes to its end, nothing is answered with 500`, {
  timeout: 600_000,
}, async () => {
  const events = `POST /v1/attempts/${attempt}/events`;
  const piece = fc.oneof(
    fc.constantFrom(
      "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
      `${head(sync, { ...json, "content-length": 2 })}{}`,
      `${head(sync, { ...json, "content-length": 1 })}{}`,
      `${head(sync, { ...json, "content-length": 50 })}{}`,
      `${head(sync, { ...json, "content-length": -1 })}{}`,
      `${head(sync, { ...json, "content-length": 1e15 })}{}`,
      `${head(sync, { ...json, "content-length": "2\r\ncontent-length: 3" })}{} `,
      `${head(events, { ...json, "transfer-encoding": "chunked" })}2\r\n{}\r\n0\r\n\r\n`,
      `${head(events, { ...json, "transfer-encoding": "chunked" })}zz\r\n{}`,
      `${head(events, { ...json, "transfer-encoding": "chunked" })}ffffffffffffffff\r\n{}`,
      `${head(events, { ...json, "transfer-encoding": "chunked", "content-length": 2 })}2\r\n{}\r\n0\r\n\r\n`,
      `${head(events, { ...json, "transfer-encoding": "gzip, chunked" })}0\r\n\r\n`,
      head(events, { ...json, expect: "100-continue", "content-length": 2 }),
      `${head(events, { ...json, authorization: "Bearer other", "content-length": 2 })}{}`,
      `${head(events, { "content-type": "text/html", "content-length": 2 })}{}`,
      `${head(events, { "content-type": "application/json; charset=utf-16", "content-length": 2 })}\x00{`,
      head("GET /%ff%00/../..", {}),
      head(`GET /${"a".repeat(20_000)}`, {}),
      head("GET /healthz", { x: "y".repeat(30_000) }),
      head("GET /healthz", Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`h${i}`, 1]))),
      head("GET /healthz", { connection: "Upgrade", upgrade: "websocket" }),
      head("CONNECT example.org:80", {}),
      head("TRACE /healthz", {}),
      head("OPTIONS *", {}),
      head("BREW /healthz", {}),
      `${head(`PUT /v1/attempts/${attempt}/uploads/${sha256}/files/0?epoch=1&epoch=2`, {
        ...bytes,
        "content-length": 1,
      })}x`,
      head(`GET /v1/artifacts/${sha256}/files/0`, { range: "bytes=99999999999999999999-" }),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "\r\n\r\n\r\n",
    ),
    fc.string({ unit: "binary", maxLength: 200 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { minLength: 1, maxLength: 5 }),
      fc.nat(400),
      fc.boolean(),
      async (all, cut, half) => {
        const { socket, ended } = open();
        const data = Buffer.from(all.join(""), "latin1");
        socket.write(cut % 3 === 0 ? data.subarray(0, Math.max(0, data.length - cut)) : data);
        if (half) socket.end();
        const said = await ended;
        expect(said).not.toMatch(/HTTP\/1.1 500 /);
      },
    ),
    { numRuns: cases, seed, endOnFailure: true },
  );
  expect(await healthy()).toBe(200);
});
