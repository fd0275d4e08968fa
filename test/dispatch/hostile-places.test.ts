import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { placeOf } from "../../src/core/places.ts";
import type { EventLine } from "../../src/dispatch/api/contract.ts";
import { migrate } from "../../src/records/migrate.ts";
import { replayEvents } from "../../src/records/replay.ts";
import { submitRun } from "../../src/records/runs.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { runOf } from "../support/pipelines.ts";
import { line, ScriptedAgent } from "../support/scripted-agent.ts";
import { type Servers, startServers } from "../support/servers.ts";

let servers: Servers;
let plane: ControlPlane;
beforeAll(async () => {
  servers = await startServers();
  const patient = { lease: 3_600_000, dispatch: 3_600_000 };
  plane = await startControlPlane(servers.database, patient, servers.home);
  const stages = ["near", "far"].map((name) => ({ name, outputs: ["model"] }));
  await submitRun(plane.database, runOf(stages));
});
afterAll(async () => {
  await plane?.stop();
  await servers?.stop();
});

/** What a broken or hostile worker may write where a hash or a place is expected. */
function hostile(home: string): Record<string, unknown>[] {
  const hashes = ["../../x", "..", "", "../postgres", `${"a".repeat(64)}/../../x`, "A".repeat(64), 7, null];
  const uris = [`file://${home}/postgres`, "file:///", "legalone://artifacts/../postgres", "far://x", 7];
  const paths = [`${home}/postgres`, "/", "../../postgres", `${home}/attempts`];
  return [
    ...hashes.map((sha256) => ({ sha256 })),
    ...uris.map((uri) => ({ uri, sha256: "b".repeat(64) })),
    ...paths.map((path) => ({ path, sha256: "c".repeat(64) })),
    ...[-1, 0.5, "../1", null, {}].map((step) => ({ step, sha256: "d".repeat(64) })),
    ...["checkpoint", "../x", "", 7].map((kind) => ({ kind, sha256: "e".repeat(64) })),
  ];
}

test.each(["near", "far"])(
  "no line of a %s agent makes serve name, serve or remove anything outside the store",
  async (node) => {
    const victims = ["postgres/data", "x/data", `${node}-other/data`].map((name) => join(servers.home, name));
    for (const path of victims) {
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, "kept");
    }
    // Where the hashes lead from the store.
    mkdirSync(join(servers.home, "artifacts"), { recursive: true });
    writeFileSync(join(servers.home, "x", "manifest.json"), '{"files":[]}');
    const agent = new ScriptedAgent(plane, node);
    agent.slots = 1;
    if (node === "far") agent.workspace = "another";
    for (let i = 0; agent.held.size === 0 && i < 100; i++) {
      await agent.sync();
      await plane.look();
    }
    const attempt = [...agent.held.keys()][0]!;
    const statuses = new Set<number>();
    for (const fields of hostile(servers.home)) {
      for (const made of [line.checkpoint(5), line.artifact("model")]) {
        const told = { ...made, ...fields } as EventLine;
        const { status } = await agent.lines(attempt, [told]);
        statuses.add(status);
        // What a far agent has not uploaded is asked for again: its next lines are others.
      }
    }
    for (const step of [1, 2, 3, 4, 5, 6])
      statuses.add((await agent.lines(attempt, [line.checkpoint(step)])).status);
    expect([...statuses].filter((status) => ![200, 400, 424].includes(status))).toEqual([]);
    for (const { uri, attemptId, step, kind } of await plane.database.artifact.findMany({
      where: { attemptId: attempt },
    })) {
      const place = placeOf(uri);
      expect({ uri, known: place !== undefined }).toEqual({ uri, known: true });
      if (kind === "checkpoint" && place && "attempt" in place)
        expect(place).toEqual({ attempt: attemptId, step });
    }
    expect(await agent.exit(attempt, { code: 0 })).toBe(200);
    for (const path of victims)
      expect({ path, text: existsSync(path) && readFileSync(path, "utf8") }).toEqual({ path, text: "kept" });
  },
);

test("rows of an older build name the same places relative to the workspace; what leads elsewhere stays unread", async () => {
  const row = await plane.database.artifact.findFirstOrThrow({ where: { kind: "checkpoint" } });
  const sha256 = "f".repeat(64);
  const rows = [
    { id: "old-output", kind: "model", sha256, uri: `file:///old/home/artifacts/${sha256}`, step: null },
    {
      id: "old-point",
      kind: "checkpoint",
      sha256,
      uri: `file:///old/home/attempts/${row.attemptId}/step-7`,
      step: 7,
    },
    { id: "hostile", kind: "checkpoint", sha256: "../../x", uri: "file:///old/home/postgres", step: 8 },
    {
      id: "foreign",
      kind: "model",
      sha256: "0".repeat(64),
      uri: `file:///old/home/artifacts/${sha256}`,
      step: null,
    },
  ];
  const { id: _, ...rest } = row;
  for (const one of rows) await plane.database.artifact.create({ data: { ...rest, meta: {}, ...one } });
  const sql = readFileSync(
    new URL("../../prisma/migrations/20261129010000_places/migration.sql", import.meta.url),
    "utf8",
  );
  for (const statement of sql.split(";").filter((part) => /update/i.test(part)))
    await plane.database.$executeRawUnsafe(statement);
  const after = await plane.database.artifact.findMany({
    where: { id: { in: rows.map(({ id }) => id) } },
    orderBy: { id: "asc" },
  });
  expect(Object.fromEntries(after.map(({ id, uri }) => [id, uri]))).toEqual({
    "old-output": `legalone://artifacts/${sha256}`,
    "old-point": `legalone://attempts/${row.attemptId}/step-7`,
    hostile: "file:///old/home/postgres",
    foreign: `file:///old/home/artifacts/${sha256}`,
  });
  await plane.database.artifact.deleteMany({ where: { id: { in: rows.map(({ id }) => id) } } });
  const insert = { ...row, uri: "file:///old/home/artifacts/" + sha256, bytes: 1 };
  const replayed = replayEvents([{ data: { changes: [{ table: "Artifact", insert }] } }]);
  expect(replayed.Artifact.get(row.id)?.uri).toBe(`legalone://artifacts/${sha256}`);
  expect(await migrate(servers.database)).toEqual([]);
});
