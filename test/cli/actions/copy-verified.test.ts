import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { copyVerified, exportTarget } from "../../../src/cli/actions/copy-verified.ts";
import { packageRoot, workspace } from "../../../src/core/paths.ts";
import { writeArtifact } from "../../support/artifact-folder.ts";
import { removeFolder } from "../../support/remove-folder.ts";

let root: string;
let to: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "legalone-export-"));
  to = join(root, "model");
});
afterEach(() => removeFolder(root));

/** A delivered model; `text` is in its file. */
function delivered(name: string, text: string): { from: string; sha256: string } {
  const from = join(root, name);
  const { content } = writeArtifact(from, {
    "weights.bin": Buffer.from(text),
    "deep/README.md": Buffer.from(text),
  });
  const manifest = JSON.parse(readFileSync(join(from, "manifest.json"), "utf8"));
  writeFileSync(join(from, "manifest.json"), JSON.stringify({ ...manifest, kind: "delivery" }));
  return { from, sha256: content };
}

const put = (path: string, text: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};

test("an export takes the place of an older one with --force, of nothing else", async () => {
  const [old, fresh] = [delivered("old", "old"), delivered("new", "new")];
  await copyVerified(old.from, to, { sha256: old.sha256, force: false });
  const again = copyVerified(fresh.from, to, { sha256: fresh.sha256, force: false });
  await expect(again).rejects.toMatchObject({ code: "E_CONFLICT", hint: expect.stringContaining("--force") });
  await copyVerified(fresh.from, to, { sha256: fresh.sha256, force: true });
  expect(readFileSync(join(to, "deep", "README.md"), "utf8")).toBe("new");
  expect(readdirSync(root).sort()).toEqual(["model", "new", "old"]);
});

const mine: [string, (folder: string) => void][] = [
  ["a thesis", (folder) => put(join(folder, "thesis.tex"), "years")],
  ["a repository", (folder) => put(join(folder, ".git", "HEAD"), "ref")],
  [
    "a manifest of another kind",
    (folder) => put(join(folder, "manifest.json"), '{"kind":"model","files":[]}'),
  ],
  ["a manifest that is no JSON", (folder) => put(join(folder, "manifest.json"), "{")],
];
const beside: [string, (folder: string) => void][] = [
  ["a file", (folder) => put(join(folder, "notes.txt"), "mine")],
  ["a file in a folder of the model", (folder) => put(join(folder, "deep", "notes.txt"), "mine")],
  ["an empty folder", (folder) => mkdirSync(join(folder, "plans"))],
  ["a repository", (folder) => put(join(folder, ".git", "HEAD"), "ref")],
  ["a link", (folder) => symlinkSync(root, join(folder, "link"))],
];

describe("--force leaves what no export made", () => {
  test.each([
    ...mine.map(([name, make]) => [name, false, make] as const),
    ...beside.map(([name, make]) => [`an exported model and ${name}`, true, make] as const),
  ])("%s", async (_, exported, make) => {
    const model = delivered("new", "new");
    if (exported) await copyVerified(model.from, to, { sha256: model.sha256, force: false });
    make(to);
    const before = readdirSync(to, { recursive: true }).sort();
    await expect(copyVerified(model.from, to, { sha256: model.sha256, force: true })).rejects.toMatchObject({
      code: "E_CONFLICT",
      hint: expect.not.stringContaining("--force replaces this"),
    });
    expect(readdirSync(to, { recursive: true }).sort()).toEqual(before);
    expect(readdirSync(root).sort()).toEqual(["model", "new"]);
  });

  test("a link to an exported model", async () => {
    const model = delivered("new", "new");
    symlinkSync(model.from, to);
    const forced = copyVerified(model.from, to, { sha256: model.sha256, force: true });
    await expect(forced).rejects.toMatchObject({ code: "E_CONFLICT" });
    expect(existsSync(join(model.from, "weights.bin"))).toBe(true);
  });
});

test("never the current folder, the home, the workspace, or one above them; never nothing", () => {
  const folders = ["", " ", ".", "./", "..", "../", "/", "//", homedir(), dirname(homedir()), workspace()];
  symlinkSync(process.cwd(), join(root, "link"));
  for (const folder of [...folders, process.cwd(), dirname(workspace()), join(root, "link"), "x/.."])
    expect(() => exportTarget(folder), folder).toThrow(expect.objectContaining({ code: "E_USAGE" }));
  expect(exportTarget("model")).toBe(join(process.cwd(), "model"));
  expect(exportTarget(to)).toBe(to);
});

test("killed at any moment it leaves the old model or the new one", async () => {
  const [old, fresh] = [delivered("old", "o".repeat(1 << 20)), delivered("new", "n".repeat(1 << 20))];
  const script = `
    const { copyVerified } = await import(${JSON.stringify(join(packageRoot, "dist", "cli", "actions", "copy-verified.js"))});
    process.stdout.write("up");
    for (let i = 0; ; i++) {
      const [from, sha256] = JSON.parse(process.argv[1 + (i % 2)]);
      await copyVerified(from, ${JSON.stringify(to)}, { sha256, force: true });
    }`;
  const words = [fresh, old].map(({ from, sha256 }) => JSON.stringify([from, sha256]));
  await copyVerified(old.from, to, { sha256: old.sha256, force: false });
  for (let round = 0; round < 12; round++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, ...words]);
    const ended = once(child, "close");
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 7 * round));
    child.kill("SIGKILL");
    await ended;
    await expect.poll(() => existsSync(join(to, "deep", "README.md"))).toBe(true);
    const [weights, readme] = ["weights.bin", "deep/README.md"].map((name) =>
      readFileSync(join(to, name), "utf8"),
    );
    expect(weights).toBe(readme);
    expect(weights).toHaveLength(1 << 20);
  }
});
