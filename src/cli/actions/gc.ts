import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { workspace } from "../../core/paths.ts";
import { artifactUri, claimsOf, isHash, placeOf, placePath, storedHash } from "../../core/places.ts";
import { bytesBelow, emptyTrash, type Removal, removeFrom } from "../../core/removal.ts";
import { knownWorkspaceId } from "../../core/workspace-note.ts";
import type { Database } from "../../records/database.ts";
import {
  decideGarbage,
  type GarbageDecision,
  type GarbageFacts,
  type GarbagePolicy,
} from "../../records/garbage/decide.ts";
import { isFree, isFreeAttempt, markGarbage } from "../../records/garbage/mark.ts";
import { readGarbageFacts } from "../../records/garbage/read.ts";
import { requireSameWorkspace } from "../../records/workspace.ts";
import { withLock } from "../../services/lock.ts";
import { bytes } from "../../views/format.ts";
import { jsonLines } from "../../views/status-json.ts";
import { note, print } from "./output.ts";
import { withRecords } from "./records.ts";
import { userName } from "./user-name.ts";

export interface GcOptions {
  json?: boolean;
  dryRun?: boolean;
  /** Milliseconds. */
  olderThan: number;
  keepRuns: number;
}

/** What goes of this workspace: places, and attempts by their id. */
interface Folders {
  artifacts: string[];
  attempts: string[];
  /** That no row names: left by an agent or a gc that died, or of rows that are marked as gone. */
  unnamed: string[];
}

/** Removes what nobody needs: first the rows say so, then the folders go. */
export async function gc(options: GcOptions): Promise<void> {
  const home = workspace();
  const policy: GarbagePolicy = { olderThanMs: options.olderThan, keepRuns: options.keepRuns };
  await withRecords((db) =>
    withLock(join(home, "gc.lock"), async () => {
      // Of another workspace's records every folder here would be one that no row names.
      await requireSameWorkspace(db, { id: knownWorkspaceId(home), home });
      const facts = await readGarbageFacts(db, attemptFolders(home));
      const decision = decideGarbage(facts, policy);
      const folders = foldersOf(home, facts, decision);
      const freed = options.dryRun ? sizeOf(home, folders) : await collect(db, home, decision, policy);
      report(decision, folders, freed, options);
    }),
  );
}

async function collect(
  db: Database,
  home: string,
  decision: GarbageDecision,
  policy: GarbagePolicy,
): Promise<number> {
  const marked = await markGarbage(db, decision.artifacts, policy, userName());
  // As the rows are now: what was marked is unnamed, what another run took meanwhile is not.
  const facts = await readGarbageFacts(db, attemptFolders(home));
  const folders = foldersOf(home, facts, { ...decideGarbage(facts, policy), artifacts: marked });
  let freed = await emptyTrash(home, { warn });
  for (const uri of [...folders.artifacts, ...folders.unnamed]) {
    const sha256 = storedHash(uri);
    const claims = () => (sha256 === undefined ? [] : claimsOf(home, sha256));
    freed += await removeFrom(home, placeOf(uri)!, { warn, stillFree: () => isFree(db, uri, claims()) });
  }
  for (const id of folders.attempts)
    freed += await removeFrom(home, { wholeAttempt: id }, { warn, stillFree: () => isFreeAttempt(db, id) });
  return freed;
}

const warn: Removal["warn"] = (message, { path, error }) => {
  const why = error instanceof Error ? `: ${error.message}` : "";
  note(`warning: ${message}: ${path}${why}`);
};

function foldersOf(home: string, facts: GarbageFacts, { artifacts, attempts }: GarbageDecision): Folders {
  const going = new Set(artifacts.map(({ id }) => id));
  const within = (rows: typeof facts.artifacts) => rows.map(({ uri }) => uri).filter((uri) => placeOf(uri));
  const size = (uri: string) => bytesBelow(placePath(home, uri)!);
  const named = new Set(within(facts.artifacts.filter(({ id, gone }) => !gone && !going.has(id))));
  const free = new Set(within(facts.artifacts.filter(({ id }) => going.has(id))));
  // What a live worker dropped it removes itself.
  const live = new Set(facts.attempts.filter(({ ended }) => !ended).map(({ id }) => id));
  const gone = within(facts.artifacts.filter((row) => row.gone && !live.has(row.attemptId)));
  // An agent moves a folder here before it posts its line: while a worker lives, a folder without a row may get one.
  const quiet = live.size === 0;
  const rowless = quiet ? storedHashes(home).map(artifactUri) : [];
  const unnamed = new Set([...gone, ...rowless]);
  return {
    artifacts: [...free].filter((uri) => !named.has(uri)),
    attempts: attempts.filter((id) => bytesBelow(join(home, "attempts", id)) > 0),
    unnamed: [...unnamed].filter((uri) => !named.has(uri) && !free.has(uri) && size(uri) > 0),
  };
}

function attemptFolders(home: string): string[] {
  const folder = join(home, "attempts");
  return existsSync(folder) ? readdirSync(folder) : [];
}

function storedHashes(home: string): string[] {
  const store = join(home, "artifacts");
  return existsSync(store) ? readdirSync(store).filter(isHash) : [];
}

/** Folders of checkpoints lie inside those of attempts: counted once. */
function sizeOf(home: string, { artifacts, attempts, unnamed }: Folders): number {
  const going = new Set(attempts);
  const apart = [...artifacts, ...unnamed].filter((uri) => {
    const place = placeOf(uri)!;
    return !("attempt" in place && going.has(place.attempt));
  });
  const paths = [
    ...apart.map((uri) => placePath(home, uri)!),
    ...attempts.map((id) => join(home, "attempts", id)),
  ];
  return paths.reduce((sum, path) => sum + bytesBelow(path), 0);
}

function report(decision: GarbageDecision, folders: Folders, freed: number, options: GcOptions): void {
  const kept: Record<string, number> = {};
  for (const why of decision.kept.values()) kept[why] = (kept[why] ?? 0) + 1;
  const checkpoints = decision.artifacts.filter(({ kind }) => kind === "checkpoint").length;
  const outputs = decision.artifacts.length - checkpoints;
  if (options.json) {
    const removed = {
      outputs,
      checkpoints,
      attempts: folders.attempts.length,
      unnamed: folders.unnamed.length,
    };
    print(jsonLines([{ type: "gc", dryRun: options.dryRun ?? false, ...removed, bytes: freed, kept }]));
    return;
  }
  const verb = options.dryRun ? "would remove" : "removed";
  const parts = [
    `${outputs} outputs`,
    `${checkpoints} checkpoints`,
    `${folders.attempts.length} attempt folders`,
    `${folders.unnamed.length} folders that no row names`,
  ];
  print(`${verb} ${parts.join(", ")}: ${bytes(freed)}`);
  const reasons = Object.entries(kept).map(([why, count]) => `${count} ${keptText[why] ?? why}`);
  print(`kept ${decision.kept.size} artifacts${reasons.length > 0 ? `: ${reasons.join(", ")}` : ""}`);
}

const keptText: Record<string, string> = {
  live: "of runs that go on",
  newest: "of the newest runs",
  recent: "of runs that ended lately",
  used: "that such a run took over",
  start: "that such a run was forked from",
  delivered: "in the lineage of a delivered model",
};
