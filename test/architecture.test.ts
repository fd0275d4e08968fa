import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { commandList } from "../src/cli/command-list.ts";
import { packageRoot } from "../src/core/paths.ts";

const src = join(packageRoot, "src");

/** What a folder of src/ may import, beside itself. The picture stands in ARCHITECTURE.md. */
const directions: Record<string, readonly string[]> = {
  core: [],
  config: ["core"],
  recipe: ["core"],
  plan: ["core", "config", "recipe"],
  workflow: ["core"],
  dispatch: ["core", "worker"],
  worker: ["core"],
  records: ["core"],
  views: ["core", "records"],
  services: ["core"],
  cli: ["core", "config", "recipe", "plan", "workflow", "dispatch", "worker", "records", "views", "services"],
};

/** What it may know by type alone: shapes it is handed by its caller. */
const types: Record<string, readonly string[]> = {
  workflow: ["config", "plan"],
  views: ["config", "plan", "recipe"],
};

/** A worker program is on the far side of the protocol, as run.py is: it uses the mathematics itself. */
const programs: Record<string, readonly string[]> = { "worker/pas-order": ["recipe"] };

interface Import {
  from: string;
  target: string;
  typeOnly: boolean;
  dynamic: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.includes("generated"))
  .map((file) => file.replaceAll("\\", "/"));

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const fixed = [...text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm)].map(
    ([, type, target]) => ({
      from: file,
      target: resolved(file, target!),
      typeOnly: type !== undefined,
      dynamic: false,
    }),
  );
  const late = [...text.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, target]) => ({
    from: file,
    target: resolved(file, target!),
    typeOnly: false,
    dynamic: true,
  }));
  return [...fixed, ...late];
}

/** Path below src/, or the name of a package. */
function resolved(file: string, target: string): string {
  return target.startsWith(".")
    ? relative(src, join(src, dirname(file), target)).replaceAll("\\", "/")
    : target;
}

const folderOf = (file: string) => file.split("/")[0]!;
const imports = files.flatMap(importsOf);
const ours = imports.filter(({ target }) => target.endsWith(".ts"));

describe("src", () => {
  it("has no folder without a direction", () => {
    const folders = new Set(files.filter((file) => file.includes("/")).map(folderOf));
    expect([...folders].filter((folder) => !(folder in directions))).toEqual([]);
  });

  it("imports in one direction", () => {
    const wrong = ours.filter(({ from, target, typeOnly }) => {
      const [here, there] = [folderOf(from), folderOf(target)];
      if (here === there || from === "bin.ts") return false;
      if (directions[here]!.includes(there)) return false;
      if (typeOnly && types[here]?.includes(there)) return false;
      return !Object.entries(programs).some(
        ([program, allowed]) => from.startsWith(program) && allowed.includes(there),
      );
    });
    expect(wrong.map(({ from, target }) => `${from} -> ${target}`)).toEqual([]);
  });

  it("imports in no circle, and core in none of types either", () => {
    const circles = (files: readonly string[], types: boolean): string[] => {
      const seen = new Set<string>();
      const found: string[] = [];
      const follow = (file: string, path: readonly string[]): void => {
        if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(" -> "));
        if (seen.has(file)) return;
        seen.add(file);
        for (const { from, target, typeOnly, dynamic } of ours)
          if (from === file && !dynamic && (types || !typeOnly)) follow(target, [...path, file]);
      };
      for (const file of files) follow(file, []);
      return found;
    };
    expect(circles(files, false)).toEqual([]);
    expect(
      circles(
        files.filter((file) => folderOf(file) === "core"),
        true,
      ),
    ).toEqual([]);
  });

  it("opens connections to PostgreSQL where their errors are named", () => {
    const opening = files.filter((file) =>
      /new (?:pg\.\w+|CarefulClient|NamedPool)\(/.test(readFileSync(join(src, file), "utf8")),
    );
    expect(opening).toEqual(["records/database.ts", "records/leadership.ts"]);
    // The driver's own ends the process where a server's answer cannot be read.
    expect(files.filter((file) => /new pg\./.test(readFileSync(join(src, file), "utf8")))).toEqual([]);
  });

  it("takes recorded JSON for what it should be where it is looked at, and nowhere else", () => {
    const casts = files.filter(
      (file) =>
        file !== "core/recorded.ts" &&
        /\b(?:spec|config) as (?!RouteConfig)/.test(readFileSync(join(src, file), "utf8")),
    );
    expect(casts).toEqual([]);
  });

  it("names Prisma in records alone", () => {
    const prisma = imports.filter(
      ({ target }) => target.startsWith("@prisma") || target.includes("records/generated"),
    );
    expect(prisma.map(({ from }) => folderOf(from)).filter((folder) => folder !== "records")).toEqual([]);
  });

  it("starts with commander and nothing else", () => {
    const loaded = new Set<string>();
    const packages = new Set<string>();
    const open = ["cli/main.ts"];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (loaded.has(file)) continue;
      loaded.add(file);
      for (const { target, typeOnly, dynamic } of importsOf(file)) {
        if (typeOnly || dynamic) continue;
        if (target.endsWith(".ts")) open.push(target);
        else if (!target.startsWith("node:")) packages.add(target);
      }
    }
    expect([...packages]).toEqual(["commander"]);
  });

  it("keeps every command file light: its action is imported when it runs", () => {
    const heavy = imports.filter(
      ({ from, target, typeOnly, dynamic }) =>
        from.startsWith("cli/commands/") &&
        !typeOnly &&
        !dynamic &&
        !/^(commander|node:.*|cli\/[^/]+\.ts|core\/.*)$/.test(target),
    );
    expect(heavy.map(({ from, target }) => `${from} -> ${target}`)).toEqual([]);
  });

  it("lists the commands that have files", () => {
    const found = files
      .filter((file) => dirname(file) === "cli/commands")
      .map((file) => basename(file, ".ts"));
    expect(commandList.map(({ name }) => name).sort()).toEqual(found.sort());
  });

  it("has no file over 350 lines, no barrels and no bins", () => {
    const long = files.filter((file) => readFileSync(join(src, file), "utf8").split("\n").length > 351);
    expect(long).toEqual([]);
    expect(files.filter((file) => /(^|\/)(index|utils?|helpers?|misc|common)\.ts$/.test(file))).toEqual([]);
  });
});

describe("stages", () => {
  const stages = join(packageRoot, "stages");
  const kinds = readdirSync(stages, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && !entry.name.startsWith("_"),
  );

  it("have the same two files each", () => {
    for (const { name } of kinds)
      expect([name, ...readdirSync(join(stages, name))]).toEqual(
        expect.arrayContaining(["stage.yaml", "run.py"]),
      );
  });

  it("have no Python file over 350 lines", () => {
    const python = readdirSync(stages, { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".py"),
    );
    expect(
      python.filter((file) => readFileSync(join(stages, file), "utf8").split("\n").length > 351),
    ).toEqual([]);
  });
});
