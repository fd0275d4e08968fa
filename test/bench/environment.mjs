// A Python environment of other people's tools, made on first use.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findPython, run } from "../../scripts/lib/process.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** @returns the Python of the folder `name` of the checkout, which holds exactly what the lock file names; `what` says it. */
export async function environment(name, lock, what) {
  const folder = join(root, name);
  const python = join(folder, "bin", "python");
  const stamp = join(folder, "lock.sha256");
  const wanted = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  const uv = join(root, ".venv-uv", "bin", "uv");
  if (!existsSync(uv)) throw new Error("no .venv-uv: run `npm run setup` first");
  process.stderr.write(`installing ${what} into ${name} …\n`);
  rmSync(folder, { recursive: true, force: true });
  await run(uv, ["venv", "-q", "--python", (await findPython()).path, folder], { cwd: root });
  await run(uv, ["pip", "sync", "-q", "--require-hashes", "--python", python, lock], { cwd: root });
  writeFileSync(stamp, wanted);
  return python;
}
