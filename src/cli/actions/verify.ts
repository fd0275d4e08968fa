import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { lookFor, placeOf, placePath } from "../../core/places.ts";
import { type Damage, damageOf } from "../../dispatch/transfer/verified.ts";
import type { Database } from "../../records/database.ts";
import { readRun, resolveRunId } from "../../records/reads/runs.ts";
import { bytes, duration } from "../../views/format.ts";
import { jsonLines } from "../../views/status-json.ts";
import { stageOf } from "./logs.ts";
import { note, print } from "./output.ts";
import { withRecords } from "./records.ts";

export interface VerifyOptions {
  json?: boolean;
  stage?: string;
  artifact?: string;
  anew?: boolean;
}

interface Named {
  id: string;
  kind: string;
  sha256: string;
  uri: string;
  bytes: bigint;
  runId: string;
  attemptId: string;
  stage: { name: string };
}

interface Found {
  row: Named;
  state: "damaged" | "missing" | "unreadable";
  damage: Damage[];
}

/** Compares what is committed with what is on disk, and says what is damaged, who made it, and what makes it again. */
export async function verify(name: string | undefined, options: VerifyOptions): Promise<void> {
  await withRecords(async (db) => {
    const rows = await chosen(db, name, options);
    const found: Found[] = [];
    const told = progressOf(rows, options);
    for (const row of rows) {
      const one = await look(row, options.anew ?? false, told.add);
      if (one !== undefined) found.push(one);
      if (options.json && one !== undefined) print(jsonLines([jsonOf(one)]));
    }
    told.end();
    report(rows, found, options);
  });
}

/** What the records say is there, each place once, newest first. */
async function chosen(
  db: Database,
  name: string | undefined,
  { stage, artifact }: VerifyOptions,
): Promise<Named[]> {
  if (stage !== undefined && name === undefined)
    throw new LegaloneError("E_USAGE", "--stage names a stage of a run", {
      hint: "legalone verify RUN --stage NAME",
    });
  if (artifact !== undefined && !/^[0-9a-f]{4,64}$/.test(artifact))
    throw new LegaloneError(
      "E_USAGE",
      `--artifact is ${JSON.stringify(artifact)}, expected 4 to 64 hexadecimal digits`,
      {
        hint: "legalone status RUN --json names the hashes of its artifacts",
      },
    );
  const runId = name === undefined ? undefined : await resolveRunId(db, name);
  if (runId !== undefined && stage !== undefined) stageOf(await readRun(db, runId), stage);
  const rows: Named[] = await db.artifact.findMany({
    where: {
      goneAt: null,
      ...(runId === undefined ? {} : { runId }),
      ...(stage === undefined ? {} : { stage: { name: stage } }),
      ...(artifact === undefined ? {} : { sha256: { startsWith: artifact } }),
    },
    select: {
      id: true,
      kind: true,
      sha256: true,
      uri: true,
      bytes: true,
      runId: true,
      attemptId: true,
      stage: { select: { name: true } },
    },
    orderBy: { committedAt: "desc" },
  });
  if (rows.length === 0 && (stage !== undefined || artifact !== undefined))
    throw new LegaloneError("E_NOT_FOUND", "the records name no such artifact that is there", {
      hint: runId === undefined ? "legalone verify" : `legalone status ${runId}`,
    });
  return [...new Map(rows.map((row) => [row.uri, row])).values()];
}

async function look(
  row: Named,
  anew: boolean,
  progress: (bytes: number) => void,
): Promise<Found | undefined> {
  const home = workspace();
  const place = placeOf(row.uri);
  const seen = lookFor(home, row.uri);
  if (place === undefined || seen === "unknown")
    return {
      row,
      state: "unreadable",
      damage: [{ file: "", what: `it cannot be looked for at ${placePath(home, row.uri) ?? row.uri}` }],
    };
  if (seen === "missing")
    return { row, state: "missing", damage: [{ file: "", what: "its folder is not there" }] };
  try {
    const damage = await damageOf(home, place, row.sha256, { anew, progress });
    return damage.length === 0 ? undefined : { row, state: "damaged", damage };
  } catch (error) {
    return { row, state: "unreadable", damage: [{ file: "", what: (error as Error).message }] };
  }
}

/** A line on standard error, where a person sees it. */
function progressOf(rows: readonly Named[], { json }: VerifyOptions) {
  const shown = process.stderr.isTTY && !json;
  const all = rows.reduce((sum, row) => sum + Number(row.bytes), 0);
  const began = Date.now();
  let done = 0;
  let shownAt = began;
  return {
    add: (more: number) => {
      done += more;
      if (!shown || Date.now() - shownAt < 500) return;
      shownAt = Date.now();
      const left = ((shownAt - began) / Math.max(1, done)) * Math.max(0, all - done);
      process.stderr.write(`\r\x1b[K${bytes(done)} of ${bytes(all)} verified, ${duration(left)} left`);
    },
    end: () => {
      if (shown && shownAt > began) process.stderr.write("\r\x1b[K");
    },
  };
}

/** What makes it again: a checkpoint is gone back behind, an output is made anew by its stage. */
function nextStep({ row: { kind, runId, stage } }: Found): string {
  return kind === "checkpoint" ? `legalone resume ${runId}` : `legalone retry ${runId} --stage ${stage.name}`;
}

function jsonOf(found: Found): Record<string, unknown> {
  const { id, kind, sha256, uri, runId, attemptId, stage } = found.row;
  const made = { run: runId, stage: stage.name, attempt: attemptId };
  return {
    type: found.state,
    id,
    kind,
    sha256,
    path: placePath(workspace(), uri) ?? uri,
    ...made,
    damage: found.damage,
    next: nextStep(found),
  };
}

function report(rows: readonly Named[], found: readonly Found[], { json }: VerifyOptions): void {
  const count = (state: Found["state"]) => found.filter((one) => one.state === state).length;
  const [damaged, missing, unreadable] = [count("damaged"), count("missing"), count("unreadable")];
  const sum = rows.reduce((all, row) => all + Number(row.bytes), 0);
  if (json)
    print(jsonLines([{ type: "verify", artifacts: rows.length, bytes: sum, damaged, missing, unreadable }]));
  else {
    for (const one of found) {
      const { kind, sha256, runId, attemptId, stage, uri } = one.row;
      print(
        `${one.state}  ${kind} ${sha256.slice(0, 12)}  made by ${stage.name} of run ${runId}, attempt ${attemptId}`,
      );
      print(`  ${placePath(workspace(), uri) ?? uri}`);
      for (const { file, what } of one.damage.slice(0, 5))
        print(`  ${file === "" ? "" : `${file}: `}${what}`);
      if (one.damage.length > 5) print(`  and ${one.damage.length - 5} more files`);
      if (one.state !== "unreadable") print(`  ${nextStep(one)}`);
    }
    print(`${rows.length - found.length} of ${rows.length} artifacts are sound, ${bytes(sum)}`);
  }
  if (found.length === 0) return;
  if (!json) note(`${damaged} damaged, ${missing} missing, ${unreadable} that could not be read`);
  process.exitCode = damaged + missing > 0 ? 8 : 9;
}
