#!/usr/bin/env node
// Writes the pages that are made from code: the schema and reference of pipeline files, options of stage kinds,
// error codes and commands. `--check` writes nothing and ends with 1 where a page is stale. Needs `npm run build`.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandsPage } from "./generate/commands.mjs";
import { errorsPage } from "./generate/errors.mjs";
import { optionsPage } from "./generate/options.mjs";
import { pipelinePage, pipelineSchemaFile } from "./generate/pipeline.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pages = {
  "docs/schema/pipeline.schema.json": pipelineSchemaFile,
  "docs/pipeline.md": pipelinePage,
  "docs/options.md": optionsPage,
  "docs/errors.md": errorsPage,
  "docs/commands.md": commandsPage,
};

const check = process.argv.includes("--check");
for (const [path, make] of Object.entries(pages)) {
  const file = join(root, path);
  const text = await make();
  if (existsSync(file) && readFileSync(file, "utf8") === text) continue;
  if (check) {
    console.error(`${path} is stale: npm run build && npm run generate`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`wrote ${path}`);
  }
}
