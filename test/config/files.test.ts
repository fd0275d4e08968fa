import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writtenForm } from "../../src/config/annotations.ts";
import { configNames, configSchema, readConfig } from "../../src/config/config-file.ts";
import { schemaFault } from "../../src/config/form/json-schema.ts";
import { checkPipeline } from "../../src/config/load.ts";
import { readStageKind, stageKindNames } from "../../src/config/stage-kind.ts";
import { packageRoot } from "../../src/core/paths.ts";

// Every YAML file that comes with the program is parsed and checked.

const below = (folder: string) => readdirSync(join(packageRoot, folder), { withFileTypes: true });

describe("pipelines", () => {
  const names = ["pipelines", "pipelines/ablations"].flatMap((folder) =>
    below(folder).flatMap((entry) =>
      entry.isFile() ? [join(folder, entry.name).slice("pipelines/".length)] : [],
    ),
  );
  it.each(names)("%s is valid", (name) => {
    expect(checkPipeline(join(packageRoot, "pipelines", name)).problems).toEqual([]);
  });
  it("are the demo, one for each size and the ablations", () => {
    expect(names.sort()).toEqual([
      "ablations/pas.yaml",
      "demo.yaml",
      "legalone-1.7b.yaml",
      "legalone-4b.yaml",
      "legalone-8b.yaml",
    ]);
  });
});

describe("configs", () => {
  const folders = below("configs").filter((entry) => entry.isDirectory());
  it.each(folders.map(({ name }) => name))("of %s have a schema and fit it", (folder) => {
    const schema = configSchema(folder);
    expect(schema && schemaFault(writtenForm(schema))).toBeNull();
    expect(schema).not.toBeNull();
    for (const name of configNames(folder))
      expect([name, readConfig(folder, name).problems]).toEqual([name, []]);
  });
});

describe("stage kinds", () => {
  it.each(stageKindNames())("%s describes itself, and every option has a description", (name) => {
    const { kind, problems } = readStageKind(name);
    expect(problems).toEqual([]);
    expect(kind!.name).toBe(name);
    expect(undescribed(kind!.with)).toEqual([]);
  });
});

/** Dotted paths of properties without a description. */
function undescribed(schema: unknown, path = ""): string[] {
  if (schema === null || typeof schema !== "object") return [];
  const {
    properties = {},
    items,
    description: _,
  } = schema as {
    properties?: Record<string, { description?: string }>;
    items?: unknown;
    description?: string;
  };
  return [
    ...Object.entries(properties).flatMap(([key, inner]) => [
      ...(inner.description ? [] : [`${path}.${key}`]),
      ...undescribed(inner, `${path}.${key}`),
    ]),
    ...undescribed(items, `${path}[]`),
  ];
}
