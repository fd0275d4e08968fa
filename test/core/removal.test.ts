import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  claimPlace,
  claimsOf,
  currentUri,
  placeOf,
  placePath,
  releaseClaims,
} from "../../src/core/places.ts";
import { emptyTrash, type Removable, removeFrom } from "../../src/core/removal.ts";
import { removeFolder } from "../support/remove-folder.ts";

const sha256 = "a".repeat(64);
const attempt = "r1-train-g1-s0-e1";

let root: string;
let home: string;
let warned: string[];
const warn = (message: string, { path }: { path: string }) => warned.push(`${message}: ${path}`);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "legalone-removal-"));
  home = join(root, "home");
  warned = [];
  write(join(root, "thesis", "chapter.tex"), "years of work");
  write(join(home, "postgres", "data"), "the database");
});
afterEach(() => removeFolder(root));

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** What must be there whatever is asked. */
function expectUntouched(): void {
  expect(readFileSync(join(root, "thesis", "chapter.tex"), "utf8")).toBe("years of work");
  expect(readFileSync(join(home, "postgres", "data"), "utf8")).toBe("the database");
}

describe("an address", () => {
  test("names one of two shapes in the workspace, or nothing", () => {
    expect(placePath("/w", `legalone://artifacts/${sha256}`)).toBe(`/w/artifacts/${sha256}`);
    expect(placePath("/w", `legalone://attempts/${attempt}/step-10`)).toBe(`/w/attempts/${attempt}/step-10`);
    const others = [
      ...[
        "file:///w/postgres",
        "/w/postgres",
        "",
        "legalone://artifacts/",
        "legalone://artifacts/../postgres",
      ],
      `legalone://artifacts/${sha256}/..`,
      `legalone://artifacts/${sha256}\n`,
      `legalone://artifacts/${sha256.toUpperCase()}`,
      `legalone://attempts/../step-1`,
      `legalone://attempts/${attempt}/step-1/..`,
      `legalone://attempts/${attempt}/step--1`,
      `legalone://attempts/${attempt}/step-01`,
      `legalone://attempts/${attempt}/output`,
      ...[null, undefined, 7, {}, [`legalone://artifacts/${sha256}`]],
    ];
    expect(others.filter((uri) => placeOf(uri) !== undefined)).toEqual([]);
  });

  test("of an older build is that of the same place; one that leads elsewhere stays as it is", () => {
    expect(currentUri(`file:///old/home/artifacts/${sha256}`)).toBe(`legalone://artifacts/${sha256}`);
    const point = `attempts/${attempt}/step-5`;
    expect(currentUri(`file:///old/home/${point}`)).toBe(`legalone://${point}`);
    for (const uri of ["file:///old/home/postgres", "file:///old/artifacts/..", "far://w/step-5"])
      expect(currentUri(uri)).toBe(uri);
  });
});

describe("a removal", () => {
  test("takes whole folders of the known shapes, read-only ones too, and links in them but not what they lead to", async () => {
    const shapes: [Removable, string][] = [
      [{ sha256 }, `artifacts/${sha256}`],
      [{ attempt, step: 5 }, `attempts/${attempt}/step-5`],
      [{ uploadOf: attempt, sha256 }, `artifacts/.uploads/${attempt}/${sha256}`],
      [{ uploadOf: attempt }, `artifacts/.uploads/${attempt}`],
      [{ fetched: sha256 }, `artifacts/.fetch-${sha256}`],
      [{ heldBy: attempt, sha256 }, `attempts/${attempt}/.uploading/${sha256}`],
      [{ wholeAttempt: attempt }, `attempts/${attempt}`],
    ];
    for (const [what, way] of shapes) {
      const folder = join(home, way);
      write(join(folder, "deep", "file"), "12345");
      symlinkSync(join(root, "thesis"), join(folder, "link"));
      chmodSync(join(folder, "deep"), 0o555);
      chmodSync(folder, 0o555);
      expect({ way, bytes: (await removeFrom(home, what, { warn })) >= 5 }).toEqual({ way, bytes: true });
      expect({ way, there: existsSync(folder) }).toEqual({ way, there: false });
      expect(await removeFrom(home, what, { warn })).toBe(0);
    }
    expect(warned).toEqual([]);
    expectUntouched();
  });

  test("of a name that leads anywhere else leaves everything, with a warning", async () => {
    const names = [
      ...["..", ".", "", "../..", "../postgres", "a/../../postgres", "/", "x\0y", ".removed", "postgres"],
      ...[`${sha256}/../../postgres`, `${sha256}\n`, "A".repeat(64), "a".repeat(63)],
    ];
    for (const name of names) {
      const asked: Removable[] = [
        { sha256: name },
        { fetched: name },
        { uploadOf: attempt, sha256: name },
        { heldBy: attempt, sha256: name },
        ...(name === "postgres"
          ? []
          : [{ wholeAttempt: name }, { uploadOf: name }, { attempt: name, step: 1 }]),
      ];
      for (const what of asked) expect(await removeFrom(home, what, { warn })).toBe(0);
    }
    for (const step of [-1, 0.5, Number.NaN, Infinity, 2 ** 60])
      expect(await removeFrom(home, { attempt, step }, { warn })).toBe(0);
    expect(warned).not.toEqual([]);
    expectUntouched();
    expect(readdirSync(home)).toEqual(["postgres"]);
  });

  test.each([
    ["the folder itself", `artifacts/${sha256}`, { sha256 }],
    ["the store", "artifacts", { sha256 }],
    ["an attempt's folder", `attempts/${attempt}`, { attempt, step: 5 }],
    ["an attempt's folder, removed whole", `attempts/${attempt}`, { wholeAttempt: attempt }],
    ["the uploads", "artifacts/.uploads", { uploadOf: attempt }],
  ])("never follows a link: %s", async (_, way, what) => {
    const inside = "attempt" in what ? "step-5" : "uploadOf" in what ? attempt : sha256;
    write(join(root, "thesis", inside, "kept"), "kept");
    mkdirSync(dirname(join(home, way)), { recursive: true });
    symlinkSync(join(root, "thesis"), join(home, way));
    expect(await removeFrom(home, what, { warn })).toBe(0);
    expect(warned).toEqual([`not removed: a link stands where a folder should be: ${join(home, way)}`]);
    expect(existsSync(join(root, "thesis", inside, "kept"))).toBe(true);
    expectUntouched();
  });

  test("puts the folder back as it was when it is asked for in the last moment", async () => {
    const folder = join(home, "artifacts", sha256);
    write(join(folder, "file"), "12345");
    chmodSync(folder, 0o555);
    const stillFree = async () => {
      expect(existsSync(folder)).toBe(false);
      return false;
    };
    expect(await removeFrom(home, { sha256 }, { warn, stillFree })).toBe(0);
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("12345");
    const fails = async () => Promise.reject(new Error("the database is away"));
    expect(await removeFrom(home, { sha256 }, { warn, stillFree: fails })).toBe(0);
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("12345");
    expect(warned).toEqual([`not removed: ${folder}`]);
  });

  test("of one folder by many at once removes it once and throws nothing", async () => {
    for (let round = 0; round < 20; round++) {
      write(join(home, "artifacts", sha256, "file"), "12345");
      const freed = await Promise.all(
        Array.from({ length: 8 }, () => removeFrom(home, { sha256 }, { warn, stillFree: async () => true })),
      );
      expect(freed.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(0);
    }
    expect(warned).toEqual([]);
  });
});

test("the trash loses what dead processes left, not what another is still asking about", async () => {
  write(join(home, "artifacts", ".removed", "old-form", "file"), "12345");
  write(join(home, "trash", "artifacts-x-1", "file"), "12345");
  const dead = `.removed@${hostname()}@${2 ** 22 + 1}@x@0@step-5`;
  write(join(home, "attempts", attempt, dead, "file"), "12345");
  write(join(home, "artifacts", sha256, "file"), "12345");
  const stillFree = async () => {
    await emptyTrash(home, { warn });
    return false;
  };
  await removeFrom(home, { sha256 }, { warn, stillFree });
  expect(existsSync(join(home, "artifacts", sha256, "file"))).toBe(true);
  expect(readdirSync(join(home, "artifacts")).sort()).toEqual([".removed", sha256]);
  for (const trash of ["trash", `attempts/${attempt}`, "artifacts/.removed"])
    expect(readdirSync(join(home, trash))).toEqual([]);
});

test("a note of an attempt that is to name an artifact stands until the attempt has ended", () => {
  claimPlace(home, sha256, attempt);
  claimPlace(home, sha256, "r2-train-g1-s0-e1");
  expect(claimsOf(home, sha256).sort()).toEqual([attempt, "r2-train-g1-s0-e1"]);
  releaseClaims(home, attempt);
  expect(claimsOf(home, sha256)).toEqual(["r2-train-g1-s0-e1"]);
  expect(() => claimPlace(home, "../x", attempt)).toThrow(RangeError);
});
