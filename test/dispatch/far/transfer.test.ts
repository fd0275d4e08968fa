import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createLog } from "../../../src/core/log.ts";
import { artifactUri } from "../../../src/core/places.ts";
import { knownWorkspaceId } from "../../../src/core/workspace-note.ts";
import { ArtifactClient, type Sender, Stale } from "../../../src/dispatch/agent/far/artifact-client.ts";
import { download } from "../../../src/dispatch/agent/far/download.ts";
import { FarStore } from "../../../src/dispatch/agent/far/far-store.ts";
import { upload } from "../../../src/dispatch/agent/far/upload.ts";
import { NodeTaken, ServeAway } from "../../../src/dispatch/agent/serve-client.ts";
import { ArtifactStore } from "../../../src/dispatch/transfer/artifact-store.ts";
import { Refused, readManifest } from "../../../src/dispatch/transfer/manifest.ts";
import { submitRun } from "../../../src/records/runs.ts";
import { writeArtifact } from "../../support/artifact-folder.ts";
import { type BadLine, openBadLine } from "../../support/bad-line.ts";
import { type ControlPlane, startControlPlane } from "../../support/control-plane.ts";
import { runOf } from "../../support/pipelines.ts";
import { removeFolder } from "../../support/remove-folder.ts";
import { line as lineOf, ScriptedAgent } from "../../support/scripted-agent.ts";
import { type Servers, startServers } from "../../support/servers.ts";
import { canMount, mountDisk, unmountDisk } from "../../support/small-disk.ts";

const mebi = 1024 * 1024;
const files = () => ({
  "model.bin": randomBytes(24 * mebi),
  "deep/a.txt": Buffer.from("a\n"),
  empty: Buffer.of(),
});
const log = createLog({ level: "error" });
const go = new AbortController().signal;
let servers: Servers;
let plane: ControlPlane;
let line: BadLine;
let client: ArtifactClient;
let agent: ScriptedAgent;
let sender: Sender;
/** A folder of the far machine. */
let far: string;
let store: string;

beforeAll(async () => {
  servers = await startServers();
  plane = await startControlPlane(servers.database, { lease: 3_600_000, dispatch: 3_600_000 }, servers.home);
  store = join(servers.home, "artifacts");
  await submitRun(plane.database, runOf([{ name: "a", outputs: ["model", "report"] }]));
  agent = new ScriptedAgent(plane);
  agent.workspace = "far";
  for (let i = 0; agent.held.size === 0 && i < 100; i++) {
    await agent.sync();
    await plane.look();
  }
  const [spec] = [...agent.held.values()].map((held) => held.spec);
  sender = { attempt: spec!.attempt, epoch: spec!.epoch };
});
afterAll(async () => {
  await plane?.stop();
  await servers?.stop();
});
beforeEach(async () => {
  line = await openBadLine(plane.address);
  client = new ArtifactClient(() => ({ address: line.address, token: plane.token }));
  far = mkdtempSync(join(tmpdir(), "legalone-far-"));
  return async () => {
    client.close();
    await line.close();
    removeFolder(far);
  };
});

/** Again while serve is away, as agents do. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ServeAway) || i > 50) throw error;
    }
  }
}

const contents = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path.slice(folder.length), readFileSync(path).toString("base64")])
    .sort();

describe("a line that is cut again and again", () => {
  test("uploads go on where they were cut, appear whole, and only then can a row name them", async () => {
    const { content } = writeArtifact(join(far, "out"), files());
    const announced = { ...lineOf.artifact("model"), sha256: content };
    expect((await agent.lines(sender.attempt, [announced])).status).toBe(424);
    expect(await plane.database.artifact.count()).toBe(0);

    // A fifth of the file: beginning anew would never come to an end.
    line.cutAfter = 5 * mebi;
    const seen = new Set<boolean>();
    await persist(async () => {
      seen.add(existsSync(join(store, content)));
      await upload(client, sender, { folder: join(far, "out"), sha256: content }, go);
    });
    expect([...seen]).toEqual([false]);
    expect(line.cuts).toBeGreaterThanOrEqual(4);
    expect(contents(join(store, content))).toEqual(contents(join(far, "out")));
    expect(existsSync(join(store, ".uploads", sender.attempt))).toBe(false);

    expect((await agent.lines(sender.attempt, [announced])).status).toBe(200);
    const row = await plane.database.artifact.findFirstOrThrow({ where: { sha256: content } });
    expect(row.uri).toBe(artifactUri(content));
    const before = line.bytes;
    expect(await upload(client, sender, { folder: join(far, "out"), sha256: content }, go)).toBe(0);
    expect(line.bytes - before).toBeLessThan(4096);
  });

  test("downloads go on where they were cut and are whole or not there", async () => {
    const folder = join(store, "near");
    const { content } = writeArtifact(folder, files());
    execFileSync("mv", [folder, join(store, content)]);
    line.cutAfter = 7 * mebi;
    await persist(async () => {
      expect(existsSync(join(far, "artifacts", content))).toBe(false);
      await download(client, content, far, log, go);
    });
    expect(line.cuts).toBeGreaterThanOrEqual(3);
    expect(contents(join(far, "artifacts", content))).toEqual(contents(join(store, content)));
    expect(readdirSync(join(far, "artifacts")).sort()).toEqual([".verified", content]);
  });
});

describe("what is not right", () => {
  test("a manifest that never will be readable is refused, not waited for", () => {
    symlinkSync("manifest.json", join(far, "manifest.json"));
    expect(() => readManifest(far)).toThrow(Refused);
  });

  test("a file that is not what its manifest says is refused, and nothing of it is committed", async () => {
    const { content } = writeArtifact(join(far, "out"), { "a.bin": randomBytes(1000) });
    writeFileSync(join(far, "out", "a.bin"), randomBytes(1000));
    await expect(upload(client, sender, { folder: join(far, "out"), sha256: content }, go)).rejects.toThrow(
      Refused,
    );
    expect(existsSync(join(store, content))).toBe(false);
  });

  test("bytes that were changed on serve's disk are never handed on as whole", async () => {
    const folder = join(store, "near");
    const { content } = writeArtifact(folder, { "a.bin": randomBytes(1000) });
    execFileSync("mv", [folder, join(store, content)]);
    writeFileSync(join(store, content, "a.bin"), randomBytes(1000));
    await expect(download(client, content, far, log, go)).rejects.toThrow(/SHA-256/);
    expect(existsSync(join(far, "artifacts", content))).toBe(false);
  });

  test("no path leads out, no stranger and no stale epoch writes", async () => {
    const evil = Buffer.from(JSON.stringify({ files: [{ path: "../x", size: 1, sha256: "0".repeat(64) }] }));
    const other = "1".repeat(64);
    await expect(client.begin(sender, other, evil, go)).rejects.toThrow(/no file of its own/);
    const { content } = writeArtifact(join(far, "out"), { "a.bin": randomBytes(10) });
    const manifest = readFileSync(join(far, "out", "manifest.json"));
    await expect(client.begin(sender, other, manifest, go)).rejects.toThrow(/neither the manifest/);
    await expect(client.begin({ ...sender, epoch: 7 }, content, manifest, go)).rejects.toThrow(Stale);
    await expect(client.begin({ attempt: "../..", epoch: 1 }, content, manifest, go)).rejects.toThrow(/400/);
    const stranger = new ArtifactClient(() => ({ address: plane.address, token: "guess" }));
    await expect(stranger.begin(sender, content, manifest, go)).rejects.toThrow(/401/);
    await expect(stranger.manifest(content, go)).rejects.toThrow(/401/);
    stranger.close();
    await expect(client.manifest("..", go)).rejects.toThrow(/404/);
    expect(existsSync(join(store, ".uploads", "..", "x"))).toBe(false);
    for (const name of readdirSync(join(store, ".uploads"))) expect(name).toBe(sender.attempt);
    expect(existsSync(join(store, content))).toBe(false);
  });

  test("only the instance that holds the node's name and reports the attempt uploads for it", async () => {
    const { content } = writeArtifact(join(far, "out"), { "a.bin": randomBytes(10) });
    const raw = readFileSync(join(far, "out", "manifest.json"));
    const as = (instance?: string) =>
      new ArtifactClient(() => ({ address: plane.address, token: plane.token }), instance);
    const { node, attempt } = plane.database;
    const named = (instance: string | null) => node.updateMany({ data: { instance } });
    const bound = (instance: string | null) =>
      attempt.updateMany({ where: { id: sender.attempt }, data: { instance } });
    const before = await attempt.findUniqueOrThrow({ where: { id: sender.attempt } });
    await named("first");
    try {
      for (const instance of ["second", undefined]) {
        const other = as(instance);
        await expect(other.begin(sender, content, raw, go)).rejects.toThrow(NodeTaken);
        await expect(other.commit(sender, content, go)).rejects.toThrow(NodeTaken);
        const bytes = { index: 0, offset: 0, bytes: 10 };
        await expect(
          other.send(sender, content, bytes, Readable.from([Buffer.alloc(10)]), go),
        ).rejects.toThrow(NodeTaken);
        other.close();
      }
      const first = as("first");
      await bound("an earlier one, of another folder");
      await expect(first.begin(sender, content, raw, go)).rejects.toThrow(Stale);
      expect(existsSync(join(store, ".uploads", sender.attempt, content))).toBe(false);
      await bound("first");
      await upload(first, sender, { folder: join(far, "out"), sha256: content }, go);
      expect(contents(join(store, content))).toEqual(contents(join(far, "out")));
      first.close();
    } finally {
      await named(null);
      await bound(before.instance);
    }
  });

  test("a request for a file ends an older one that hangs, and both uploads of one content do no harm", async () => {
    const { content } = writeArtifact(join(far, "out"), { "a.bin": randomBytes(2 * mebi) });
    const raw = readFileSync(join(far, "out", "manifest.json"));
    await client.begin(sender, content, raw, go);
    const hanging = new Readable({ read() {} });
    hanging.push(randomBytes(1000));
    const old = client
      .send(sender, content, { index: 0, offset: 0, bytes: 2 * mebi }, hanging, go)
      .catch((e) => e);
    await sleep(200);
    const both = [0, 1].map(() =>
      persist(() => upload(client, sender, { folder: join(far, "out"), sha256: content }, go)),
    );
    await Promise.all(both);
    expect(await old).toBeInstanceOf(ServeAway);
    expect(contents(join(store, content))).toEqual(contents(join(far, "out")));
  });
});

test.skipIf(!canMount())("a full disk is told, loses nothing that is committed, and passes", async () => {
  const home = join(far, "disk");
  mkdirSync(home);
  mountDisk(home, 8);
  try {
    const full = new ArtifactStore(home, log);
    const put = async (name: string, size: number) => {
      const { content } = writeArtifact(join(far, name), { "a.bin": randomBytes(size) });
      const raw = readFileSync(join(far, name, "manifest.json"));
      const send = async () => {
        await full.begin("t", content, raw);
        const bytes = Readable.from([readFileSync(join(far, name, "a.bin"))]);
        await full.receive("t", content, { index: 0, offset: 0 }, bytes);
        await full.commit("t", content);
      };
      return { content, raw, send };
    };
    const first = await put("first", 2 * mebi);
    await first.send();
    const large = await put("large", 9 * mebi);
    await expect(large.send()).rejects.toMatchObject({ statusCode: 507 });
    const second = await put("second", 4 * mebi);
    await full.begin("t", second.content, second.raw);
    writeFileSync(join(home, "other"), randomBytes(4 * mebi));
    const bytes = Readable.from([readFileSync(join(far, "second", "a.bin"))]);
    await expect(full.receive("t", second.content, { index: 0, offset: 0 }, bytes)).rejects.toMatchObject({
      statusCode: 507,
    });
    expect(full.has(second.content)).toBe(false);
    rmSync(join(home, "other"));
    await second.send();
    for (const { content } of [first, second]) expect(full.has(content)).toBe(true);
    expect(contents(full.folder(first.content))).toEqual(contents(join(far, "first")));
  } finally {
    unmountDisk(home);
  }
});

describe("checkpoints", () => {
  const settle = (line: { path: string; sha256: string }) => {
    const log = createLog({ level: "error" });
    const store = new FarStore({ client, home: far, models: far, log });
    const event = {
      type: "checkpoint",
      at: new Date().toISOString(),
      step: 5,
      bytes: 1,
      cursor: {},
      ...line,
    };
    return store.settle(event, join(far, "attempts", sender.attempt), sender, go);
  };

  test("one that its worker removes while it is sent arrives all the same", async () => {
    const folder = join(far, "attempts", sender.attempt, "step-5");
    const { manifest } = writeArtifact(folder, { "model.bin": randomBytes(8 * mebi) });
    line.bytesPerSecond = 8 * mebi;
    const sent = settle({ path: "step-5", sha256: manifest });
    await expect.poll(() => line.bytes).toBeGreaterThan(mebi);
    rmSync(folder, { recursive: true });
    expect(await sent).toMatchObject({ type: "checkpoint", sha256: manifest });
    expect(readdirSync(join(store, manifest)).sort()).toEqual(["manifest.json", "model.bin"]);
    expect(readdirSync(join(far, "attempts", sender.attempt, ".uploading"))).toEqual([]);
  });

  const changed = "not what was committed";
  const damages: [string, (folder: string) => void, string][] = [
    ["has other bytes", (folder) => writeFileSync(join(folder, "model.bin"), randomBytes(1000)), changed],
    ["has a torn manifest", (folder) => truncateSync(join(folder, "manifest.json"), 100), changed],
    ["has a torn file", (folder) => truncateSync(join(folder, "model.bin"), 500), changed],
    [
      "has a manifest that the disk does not give",
      (folder) => {
        rmSync(join(folder, "manifest.json"));
        symlinkSync("/proc/self/mem", join(folder, "manifest.json")); // reading gives EIO
      },
      "cannot be read",
    ],
    ["is away", (folder) => rmSync(folder, { recursive: true }), "no committed artifact"],
  ];
  test.each(damages)(
    "when serve's copy of the newest %s, the one before it is brought",
    async (_, damage, told) => {
      const points = [10, 5].map((step) => {
        const { manifest } = writeArtifact(join(store, `step-${step}`), { "model.bin": randomBytes(1000) });
        execFileSync("mv", [join(store, `step-${step}`), join(store, manifest)]);
        return { uri: artifactUri(manifest), step, sha256: manifest };
      });
      const [newest, older] = points as [(typeof points)[0], (typeof points)[0]];
      damage(join(store, newest.sha256));
      const log = createLog({ file: join(far, "log") });
      const place = new FarStore({ client, home: far, models: far, log });
      const spec = { ...sender, engine: "process", node: "n", kind: "t", env: {}, graceSeconds: 1 };
      const job = { inputs: [], resume: { ...newest, older: [older] } };
      const brought = await place.bring({ ...spec, job }, go);
      const { resume } = brought.spec.job as { resume: { uri: string; older: { uri: string }[] } };
      expect(existsSync(new URL(resume.uri))).toBe(false);
      expect(existsSync(new URL(resume.older[0]!.uri))).toBe(true);
      expect(readFileSync(join(far, "log"), "utf8")).toContain(told);
      // What is away or unreadable may come back; what is damaged is given up.
      const given = told === changed ? [{ code: "checkpoint_damaged", checkpoint: newest.sha256 }] : [];
      expect(brought.warnings).toMatchObject(given);
    },
  );

  test("one that serve's disk does not have at the moment is away, and one without its files is damaged", async () => {
    const ask = async (sha256: string, file = "") => {
      const headers = { authorization: `Bearer ${plane.token}` };
      const answer = await fetch(new URL(`/v1/artifacts/${sha256}${file}`, plane.address), { headers });
      await answer.arrayBuffer();
      return answer.status;
    };
    const points: string[] = [];
    for (const step of [21, 22, 23, 24]) {
      const made = join(store, `step-${step}`);
      const { content } = writeArtifact(made, { "model.bin": randomBytes(10) });
      renameSync(made, join(store, content));
      const announced = { ...lineOf.artifact("report"), sha256: content };
      expect((await agent.lines(sender.attempt, [announced])).status).toBe(200);
      points.push(content);
    }
    const [away, awayLater, torn, tornLater] = points as [string, string, string, string];
    for (const read of [awayLater, tornLater]) expect(await ask(read)).toBe(200);
    for (const gone of [away, awayLater]) rmSync(join(store, gone), { recursive: true });
    rmSync(join(store, torn, "manifest.json"));
    rmSync(join(store, tornLater, "model.bin"));
    expect(await ask(away)).toBe(404);
    expect(await ask(awayLater, "/files/0")).toBe(404);
    expect(await ask(torn)).toBe(410);
    expect(await ask(tornLater, "/files/0")).toBe(410);
  });

  test("one that was removed before its turn is passed over with a warning", async () => {
    mkdirSync(join(far, "attempts", sender.attempt), { recursive: true });
    const skipped = await settle({ path: "step-5", sha256: "2".repeat(64) });
    expect(skipped).toMatchObject({ type: "warning", code: "checkpoint_skipped" });
  });
});

test("an agent that finds serve's own name in its folder shares it, any other is far", async () => {
  const agent = { pid: 1, build: "b", address: "", engines: [], npus: 0, slots: 1, info: {} };
  const own = knownWorkspaceId(servers.home);
  const told = [];
  for (const workspace of [own, "", undefined]) {
    const request = { agent: { ...agent, workspace }, attempts: [] };
    told.push((await new ScriptedAgent(plane).post("/v1/nodes/n2/sync", request)).body.store);
  }
  expect(told).toEqual(["shared", "far", "shared"]);
});
