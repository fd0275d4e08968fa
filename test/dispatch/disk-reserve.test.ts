import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLog } from "../../src/core/log.ts";
import { ArtifactStore } from "../../src/dispatch/transfer/artifact-store.ts";
import { checkRoom, diskReserve } from "../../src/dispatch/transfer/durable.ts";
import { writeArtifact } from "../support/artifact-folder.ts";
import { removeFolder } from "../support/remove-folder.ts";
import { canMount, mountDisk, unmountDisk } from "../support/small-disk.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "legalone-reserve-"));
});
afterEach(() => removeFolder(root));

test("the reserve is configuration, and one that is no number of bytes is refused", () => {
  expect(diskReserve({})).toBe(256 * 1024 * 1024);
  expect(diskReserve({ LEGALONE_DISK_RESERVE: "0" })).toBe(0);
  for (const text of ["much", "-1", "1e400", "1.5"])
    expect(() => diskReserve({ LEGALONE_DISK_RESERVE: text })).toThrow(
      expect.objectContaining({ code: "E_USAGE" }),
    );
  const { bavail, bsize } = statfsSync(root);
  expect(() => checkRoom(root, bavail * bsize)).toThrow(expect.objectContaining({ code: "ENOSPC" }));
  checkRoom(root, 0);
});

test.skipIf(!canMount())(
  "an upload never takes the last bytes: serve and its database keep room",
  async () => {
    const home = join(root, "disk");
    mkdirSync(home);
    mountDisk(home, 20);
    try {
      const store = new ArtifactStore(home, createLog({ level: "error" }));
      const { bavail, bsize } = statfsSync(home);
      const { content } = writeArtifact(join(root, "made"), {
        "a.bin": randomBytes(bavail * bsize - 300_000),
      });
      const raw = readFileSync(join(root, "made", "manifest.json"));
      await expect(store.begin("t", content, raw)).rejects.toMatchObject({ statusCode: 507 });
      // Others fill the disk while bytes come.
      const half = writeArtifact(join(root, "half"), {
        "a.bin": randomBytes(Math.floor((bavail * bsize) / 2)),
      });
      await store.begin("t", half.content, readFileSync(join(root, "half", "manifest.json")));
      writeFileSync(join(home, "other"), randomBytes(Math.floor((bavail * bsize) / 2) - 400_000));
      const pieces = function* () {
        const data = readFileSync(join(root, "half", "a.bin"));
        for (let at = 0; at < data.length; at += 65_536) yield data.subarray(at, at + 65_536);
      };
      const sent = store.receive("t", half.content, { index: 0, offset: 0 }, Readable.from(pieces()));
      await expect(sent).rejects.toMatchObject({ statusCode: 507 });
      const left = statfsSync(home);
      expect(left.bavail * left.bsize).toBeGreaterThan(0);
    } finally {
      unmountDisk(home);
    }
  },
);
