import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { packageRoot } from "../../src/core/paths.ts";
import { fencedBlocks, readText, tableRows } from "../support/markdown.ts";

const hadolint = join(packageRoot, ".venv-test", "bin", "hadolint");
const names = readdirSync(join(packageRoot, "docker")).filter((name) => name.endsWith(".Dockerfile"));

/** Instructions of a Dockerfile without comments, continued lines joined. */
function instructions(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "");
}

/** Findings of hadolint, one `code line` each. */
function lint(text: string): string[] {
  const done = spawnSync(hadolint, ["--format", "json", "-"], { input: text, encoding: "utf8" });
  if (done.error) throw done.error;
  return (JSON.parse(done.stdout) as { code: string; line: number }[]).map(
    ({ code, line }) => `${code} ${line}`,
  );
}

describe("docker/*.Dockerfile", () => {
  it("are the three images", () => {
    expect(names.sort()).toEqual(["control.Dockerfile", "worker-ascend.Dockerfile", "worker-cpu.Dockerfile"]);
  });

  it.each(names)("%s has no findings of hadolint", (name) => {
    expect(lint(readText(`docker/${name}`))).toEqual([]);
  });

  it("would have findings if something were wrong", () => {
    expect(lint("FROM base\nRUN cd /tmp\n")).toEqual(["DL3006 1", "DL3003 2", "SC2164 2"]);
  });

  it.each(names)("%s takes every base image as an argument and names no host", (name) => {
    const lines = instructions(readText(`docker/${name}`));
    const stages = lines.flatMap((line) => line.match(/^FROM \S+ AS (\w+)/)?.[1] ?? []);
    const bases = lines.filter((line) => line.startsWith("FROM ")).map((line) => line.split(" ")[1]!);
    for (const base of bases)
      expect(/^\$\{[A-Z]+_IMAGE\}$/.test(base) || stages.includes(base), base).toBe(true);
    const defaults = lines.flatMap((line) => line.match(/^ARG \w+=(\S+)/)?.[1] ?? []);
    expect(defaults.filter((value) => value !== "scratch")).toEqual([]);
    expect(lines.join("\n")).not.toMatch(/https?:|\b[\w-]+\.(com|io|cn|org|net)\b/);
  });

  it.each(names)("%s copies only what the checkout has and .dockerignore lets through", (name) => {
    const allowed = readText(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    const sources = instructions(readText(`docker/${name}`))
      .filter((line) => line.startsWith("COPY ") && !line.includes("--from="))
      .flatMap((line) => line.split(" ").slice(1, -1));
    expect(sources.length).toBeGreaterThan(2);
    for (const source of sources) {
      expect(existsSync(join(packageRoot, source)), source).toBe(true);
      expect(
        allowed.some((path) => source === path || source.startsWith(`${path}/`)),
        source,
      ).toBe(true);
    }
  });
});

describe("docker/ascend-requirements.txt", () => {
  const pinned = (text: string) =>
    new Map([...text.matchAll(/^([a-z0-9-]+)==([^\s;]+)/gm)].map((match) => [match[1]!, match[2]!]));
  const lock = pinned(readText("docker/ascend-requirements.txt"));

  it("holds the pair of MindSpore and MindFormers that belongs to CANN 9.0.0", () => {
    expect(lock.get("mindspore")).toBe("2.9.0");
    expect(lock.get("mindformers")).toBe("1.9.0");
    expect(lock.get("protobuf")).toMatch(/^3\.20\./);
  });

  it("agrees with every version stages/requirements.in asks for", () => {
    const asked = readText("stages/requirements.in");
    for (const [name, version] of pinned(asked.replaceAll(/^.*python_version < .*$/gm, ""))) {
      expect(lock.get(name), name).toBe(version);
    }
    expect(asked.match(/^[a-z0-9-]+/gm)!.filter((name) => !lock.has(name))).toEqual([]);
  });
});

describe("docs/ascend.md", () => {
  const page = readText("docs/ascend.md");

  it("shows the environment that the cluster file sets", () => {
    const { env } = parse(readText("configs/clusters/atlas-800t-a2.yaml")) as { env: Record<string, string> };
    const shown = tableRows(page, "variable").map(([name, value]) => [name!.replaceAll("`", ""), value]);
    expect(Object.fromEntries(shown)).toEqual(env);
  });

  it("has a command line that a shell reads", () => {
    const [command] = fencedBlocks(page, "sh ascend");
    const words = spawnSync("sh", ["-c", `docker() { printf '%s\\n' "$@"; }\n${command}`], {
      encoding: "utf8",
    });
    const lines = words.stdout.trim().split("\n");
    expect(lines.filter((word) => /^\/dev\/davinci\d$/.test(word))).toHaveLength(8);
    expect(lines.slice(-5)).toEqual([
      "python",
      "-m",
      "stages.midtrain.run",
      "--job",
      "/srv/legalone/attempts/ATTEMPT/job.json",
    ]);
  });
});
