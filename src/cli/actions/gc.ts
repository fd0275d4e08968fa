import { join } from "node:path";
import { workspace } from "../../core/paths.ts";
import type { Database } from "../../records/database.ts";
import {
  decideGarbage,
  type GarbageDecision,
  type GarbageFacts,
  type GarbagePolicy,
} from "../../records/garbage/decide.ts";
import { isUnnamed, markGarbage } from "../../records/garbage/mark.ts";
import { readGarbageFacts } from "../../records/garbage/read.ts";
import { withLock } from "../../services/lock.ts";
import { bytes } from "../../views/format.ts";
import { jsonLines } from "../../views/status-json.ts";
import { bytesBelow, folderWithin, namesIn, Trash } from "../garbage/folders.ts";
import { print } from "./output.ts";
import { withRecords } from "./records.ts";
import { userName } from "./user-name.ts";

export interface GcOptions {
  json?: boolean;
  dryRun?: boolean;
  /** Milliseconds. */
  olderThan: number;
  keepRuns: number;
}

/** Folders of this workspace that go, by what they are. */
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
      const facts = await readGarbageFacts(db);
      const decision = decideGarbage(facts, policy);
      const folders = foldersOf(home, facts, decision);
      const freed = options.dryRun ? sizeOf(folders) : await collect(db, home, decision, policy);
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
  const facts = await readGarbageFacts(db);
  const folders = foldersOf(home, facts, { ...decideGarbage(facts, policy), artifacts: marked });
  const trash = new Trash(home);
  let freed = trash.empty();
  const urisOf = new Map<string, string[]>();
  for (const { uri } of facts.artifacts) {
    const path = folderWithin(home, uri);
    if (path !== undefined) urisOf.set(path, [...(urisOf.get(path) ?? []), uri]);
  }
  for (const path of [...folders.artifacts, ...folders.unnamed]) {
    freed += await trash.remove(path, () => isUnnamed(db, urisOf.get(path) ?? []));
  }
  for (const path of folders.attempts) freed += await trash.remove(path);
  return freed;
}

function foldersOf(home: string, facts: GarbageFacts, { artifacts, attempts }: GarbageDecision): Folders {
  const going = new Set(artifacts.map(({ id }) => id));
  const within = (rows: typeof facts.artifacts) => rows.flatMap(({ uri }) => folderWithin(home, uri) ?? []);
  const named = new Set(within(facts.artifacts.filter(({ id, gone }) => !gone && !going.has(id))));
  const free = new Set(within(facts.artifacts.filter(({ id }) => going.has(id))));
  // What a live worker dropped it removes itself.
  const live = new Set(facts.attempts.filter(({ ended }) => !ended).map(({ id }) => id));
  const gone = within(facts.artifacts.filter((row) => row.gone && !live.has(row.attemptId)));
  // An agent moves a folder here before it posts its line: while a worker lives, a folder without a row may get one.
  const quiet = live.size === 0;
  const store = join(home, "artifacts");
  const rowless = quiet ? namesIn(store).filter((name) => /^[0-9a-f]{64}$/.test(name)) : [];
  const unnamed = new Set([...gone, ...rowless.map((name) => join(store, name))]);
  return {
    artifacts: [...free].filter((path) => !named.has(path)),
    attempts: attempts.map((id) => join(home, "attempts", id)).filter((path) => bytesBelow(path) > 0),
    unnamed: [...unnamed].filter((path) => !named.has(path) && !free.has(path) && bytesBelow(path) > 0),
  };
}

/** Folders of checkpoints lie inside those of attempts: counted once. */
function sizeOf({ artifacts, attempts, unnamed }: Folders): number {
  const inside = (path: string) => attempts.some((attempt) => path.startsWith(`${attempt}/`));
  const apart = [...artifacts, ...unnamed].filter((path) => !inside(path));
  return [...apart, ...attempts].reduce((sum, path) => sum + bytesBelow(path), 0);
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
