import { existsSync, readFileSync, rmSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { type ProcessMark, processMark, whereabouts } from "../../core/start-time.ts";
import { createWhole } from "../../core/whole-file.ts";
import { workspaceId } from "../../core/workspace-note.ts";
import { loadRecords } from "../../records/dump.ts";
import { readMigrations } from "../../records/migration-files.ts";
import { restoringFile } from "../../services/home.ts";
import { removeCluster, startPostgres, stopPostgres } from "../../services/postgres.ts";
import { bytes, count } from "../../views/format.ts";
import { type BackupManifest, broken, copyHashed, emptyFolder, readManifest } from "../backup-folder.ts";
import { print } from "./output.ts";
import { Progress } from "./progress.ts";

/**
 * Makes the workspace LEGALONE_HOME from a backup. It has a name of its own, since the original may go on. Until all is
 * there a file says so, and no command uses the folder.
 */
export async function restore(name: string, options: { json?: boolean }): Promise<void> {
  const from = resolve(name);
  const home = workspace();
  const manifest = await readManifest(from);
  await refuseNewer(manifest);
  if (!relative(home, from).startsWith(".."))
    throw new LegaloneError("E_BACKUP", `${from} lies in ${home}, which a restore fills`, {
      hint: "LEGALONE_HOME names an empty folder elsewhere.",
    });
  await takeFolder(home);
  const progress = new Progress(options);
  let id: string;
  try {
    const total = manifest.files.reduce((size, file) => size + file.size, 0);
    for (const { path, size, sha256 } of manifest.files) {
      const target = path.startsWith("records/") ? join(".restore", path) : path;
      const copied = await copyHashed(join(from, path), join(home, target), (more) =>
        progress.add("files", more, total),
      ).catch((error: NodeJS.ErrnoException) => {
        throw error.code === "ENOENT" ? broken(`${path} is not there`, error) : error;
      });
      if (copied.size !== size || copied.sha256 !== sha256) throw broken(`${path} is not what was written`);
    }
    id = workspaceId(home);
    const about = manifest.dump.tables.reduce((all, { rows }) => all + rows, 0);
    await loadRecords(await startPostgres(home), join(home, ".restore"), manifest.dump, {
      workspace: id,
      onRows: (done) => progress.at("records", done, about),
    });
    await stopPostgres(home);
    rmSync(join(home, ".restore"), { recursive: true, force: true });
    rmSync(join(home, restoringFile));
  } catch (error) {
    progress.end();
    await leaveEmpty(home);
    throw error;
  }
  progress.end();
  report(manifest, home, id, options);
}

function report(
  { dump, files, artifacts, madeAt }: BackupManifest,
  home: string,
  id: string,
  { json }: { json?: boolean },
) {
  const rows = dump.tables.reduce((all, table) => all + table.rows, 0);
  const size = files.reduce((all, file) => all + file.size, 0);
  if (json) {
    print(
      JSON.stringify({
        type: "restore",
        home,
        workspace: id,
        from: dump.workspace,
        madeAt,
        rows,
        files: files.length,
        bytes: size,
      }),
    );
    return;
  }
  print(`${home} holds ${count(rows)} rows and ${files.length} files, ${bytes(size)}, of ${madeAt}`);
  if (!artifacts)
    print("It has the records alone: bring `artifacts` and `attempts` of the original before `legalone up`.");
  print("`legalone up` starts it, `legalone resume` goes on with a run.");
}

/** @throws E_MIGRATION when a newer version wrote it */
async function refuseNewer({ dump, version }: BackupManifest): Promise<void> {
  const known = (await readMigrations()).some(({ name }) => name === dump.migration);
  if (known) return;
  throw new LegaloneError(
    "E_MIGRATION",
    `the backup is of legalone ${version} with the migration ${dump.migration}, which this version does not know`,
    { hint: "use the version of legalone that wrote it, or a newer one" },
  );
}

/** An empty folder, or one that an interrupted restore left: that one is emptied. */
async function takeFolder(home: string): Promise<void> {
  const marker = join(home, restoringFile);
  const left = existsSync(home) ? (await readdir(home)).filter((name) => name !== "lost+found") : [];
  if (left.includes(restoringFile)) {
    const other = JSON.parse(readFileSync(marker, "utf8")) as ProcessMark;
    if (whereabouts(other) !== "gone")
      throw new LegaloneError("E_CONFLICT", `process ${other.pid} on ${other.host} restores into ${home}`, {
        hint: "Wait for it, or end it; where that machine is gone, remove the folder.",
      });
    await leaveEmpty(home);
  } else if (left.length > 0) {
    throw new LegaloneError("E_BACKUP", `${home} is not empty`, {
      hint: "A backup is restored into an empty folder: LEGALONE_HOME names one. Nothing was changed.",
    });
  }
  await mkdir(dirname(marker), { recursive: true });
  if (!createWhole(marker, JSON.stringify(processMark(process.pid))))
    throw new LegaloneError("E_CONFLICT", `another command restores into ${home}`);
}

/** As it was before: the marker goes last, so that this too can be done again. */
async function leaveEmpty(home: string): Promise<void> {
  await stopPostgres(home);
  if (!process.env.LEGALONE_DATABASE_URL) removeCluster(home);
  await emptyFolder(home, [restoringFile, "lost+found"]);
  rmSync(join(home, restoringFile), { force: true });
}
