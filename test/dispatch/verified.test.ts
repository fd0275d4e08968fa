import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { settle } from "../../src/dispatch/agent/outputs.ts";
import { damageOf } from "../../src/dispatch/transfer/verified.ts";
import { writeArtifact } from "../support/artifact-folder.ts";
import { removeFolder } from "../support/remove-folder.ts";

let home: string;
let content: string;
let folder: string;
const attempt = "r1-a-g1-s0-e1";
const files = { "corpus.bin": Buffer.alloc(4096, 7), "deep/index.json": Buffer.from("{}") };

/** An output that an agent has committed. */
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "legalone-verified-"));
  ({ content } = commit(attempt));
  folder = join(home, "artifacts", content);
});
afterEach(() => removeFolder(home));

function commit(by: string): { content: string; type: string } {
  const made = join(home, "attempts", by, "output", "corpus");
  mkdirSync(join(made, ".."), { recursive: true });
  const { content: sha256 } = writeArtifact(made, files);
  const line = {
    type: "artifact",
    at: "",
    kind: "corpus",
    path: "output/corpus",
    sha256,
    bytes: 4098,
  } as const;
  const { type } = settle(line, join(home, "attempts", by), home);
  return { content: sha256, type };
}

async function hashed(anew = false): Promise<{ damage: string[]; bytes: number }> {
  const before = readNotes();
  const damage = (await damageOf(home, { sha256: content }, content, { anew })).map(
    ({ file, what }) => `${file}: ${what}`,
  );
  return { damage, bytes: before === readNotes() ? 0 : 1 };
}
const readNotes = () => readFileSync(join(home, "artifacts", ".verified", content), "utf8");

test("committed files are read-only, and what their maker hashed counts as verified", async () => {
  for (const name of [...Object.keys(files), "manifest.json"])
    expect((statSync(join(folder, name)).mode & 0o222).toString(8)).toBe("0");
  expect(await hashed()).toEqual({ damage: [], bytes: 0 });
});

test("a file is hashed again in a new state, and that state is noted when it is sound", async () => {
  utimesSync(join(folder, "corpus.bin"), 1, 1);
  expect(await hashed()).toEqual({ damage: [], bytes: 1 });
  expect(await hashed()).toEqual({ damage: [], bytes: 0 });
});

const damages: [string, () => void, RegExp][] = [
  [
    "a file cut in half",
    () => truncateSync(join(folder, "corpus.bin"), 2048),
    /corpus.bin: it has 2048 bytes, its manifest says 4096/,
  ],
  [
    "other bytes of the same size",
    () => writeFileSync(join(folder, "corpus.bin"), Buffer.alloc(4096, 8)),
    /corpus.bin: its bytes are not/,
  ],
  ["a file that is gone", () => rmSync(join(folder, "deep", "index.json")), /index.json: it is not there/],
  [
    "a link in the place of a file",
    () => {
      renameSync(join(folder, "corpus.bin"), join(home, "elsewhere"));
      symlinkSync(join(home, "elsewhere"), join(folder, "corpus.bin"));
    },
    /corpus.bin: a link stands in its place/,
  ],
  [
    "a link in the place of a folder",
    () => {
      renameSync(folder, join(home, "elsewhere"));
      symlinkSync(join(home, "elsewhere"), folder);
    },
    /a link stands where its folder should be/,
  ],
  [
    "another manifest",
    () => writeFileSync(join(folder, "manifest.json"), '{"files":[]}'),
    /it is not the one/,
  ],
  ["a torn manifest", () => truncateSync(join(folder, "manifest.json"), 10), /manifest.json/],
];
test.each(damages)("%s is told, each time it is asked", async (_, damage, told) => {
  damage();
  for (const anew of [false, false, true]) {
    const found = await damageOf(home, { sha256: content }, content, { anew });
    expect(found.map(({ file, what }) => `${file}: ${what}`).join()).toMatch(told);
  }
});

test("bytes that changed without a trace are found by hashing anew", async () => {
  const before = statSync(join(folder, "corpus.bin"));
  writeFileSync(join(folder, "corpus.bin"), Buffer.alloc(4096, 8));
  utimesSync(join(folder, "corpus.bin"), before.atime, before.mtime);
  expect(
    (await damageOf(home, { sha256: content }, content, { anew: true })).map(({ file }) => file),
  ).toEqual(["corpus.bin"]);
});

test("an output made again takes the place of one that was damaged meanwhile, and leaves a sound one", async () => {
  const { ino } = statSync(folder);
  expect(commit("r1-a-g1-s0-e2").type).toBe("artifact");
  expect(statSync(folder).ino).toBe(ino);
  writeFileSync(join(folder, "corpus.bin"), Buffer.alloc(4096, 8));
  expect(commit("r1-a-g1-s0-e3").type).toBe("artifact");
  expect(statSync(folder).ino).not.toBe(ino);
  expect(await damageOf(home, { sha256: content }, content, { anew: true })).toEqual([]);
});
