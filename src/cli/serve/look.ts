import type { Happening } from "../../core/changes.ts";
import type { Log } from "../../core/log.ts";
import { lookFor, placeOf } from "../../core/places.ts";
import { setAside } from "../../core/removal.ts";
import type { ArtifactRow } from "../../core/rows.ts";
import { type Doorbell, reconcileQueue } from "../../dispatch/doorbell/doorbell.ts";
import { damageOf } from "../../dispatch/transfer/verified.ts";
import { lookForLost, missingOfDecision } from "../../records/artifacts.ts";
import { lookUpCache } from "../../records/cache.ts";
import { type Database, isDatabaseTrouble, isOverload, isUnreachable } from "../../records/database.ts";
import { type Bell, commitHappenings, LostOffice } from "../../records/happenings.ts";
import type { Office } from "../../records/leadership.ts";
import { relayOutbox, ringNow, sweepOutbox } from "../../records/outbox.ts";
import { endQuarantine, noteQuarantine, readQuarantine } from "../../records/quarantine.ts";
import { SnapshotReader } from "../../records/snapshot.ts";
import { type ReconcilePorts, Reconciler } from "../../workflow/reconcile.ts";
import type { Policy } from "../../workflow/types.ts";

const sweepEveryMs = 3_600_000;

export interface LookOptions {
  database: Database;
  /** The workspace, whose folders it looks at; without it what rows name counts as there. */
  home?: string;
  doorbell: Doorbell;
  policy: Policy;
  log: Log;
  /** The office of this serve; undefined while another decides. */
  office(): Office | undefined;
}

export interface Look {
  /** One look at the rows: decides, applies, rings. Does nothing while another serve decides. */
  once(): Promise<void>;
  /** Called when a back-off ends. */
  onLater(wake: () => void): void;
  stop(): void;
}

/** The reconciler with its hands: the records beneath it and the bells it rings. */
export function createLook({ database, home, doorbell, policy, log, office }: LookOptions): Look {
  // A bell for the reconciler has been heard: the look it asked for goes on.
  const ring = async (topic: string, key: string) => topic === reconcileQueue || doorbell.ring(topic, key);
  const reader = new SnapshotReader(database, policy.times.cooldown, policy.times.backoffLimit);
  const portsOf = (term: number): ReconcilePorts => ({
    read: () => reader.read(),
    lookUpCache: (keys: readonly string[]) => lookUpCache(database, keys, home, isSound),
    commit: async (happenings: readonly Happening[], bells: readonly Bell[]) => {
      const gone = await missingOfDecision(database, happenings, home);
      if (gone !== undefined) return gone;
      const moved = await commitHappenings(database, happenings, { bells, term });
      if (moved === undefined && bells.length > 0) await ringNow(database, bells, ring);
      return moved;
    },
    quarantined: () => readQuarantine(database),
    quarantine: (runs, happenings) => {
      for (const { run } of runs) reader.forget(run);
      return noteQuarantine(database, runs, happenings, term);
    },
    release: (run, happenings) => endQuarantine(database, run, happenings, term),
    isTrouble: (error) => isDatabaseTrouble(error) || error instanceof LostOffice,
  });
  // What it remembers (who was heard, which runs are in quarantine) is of its own term.
  let decides: { office: Office; reconciler: Reconciler } | undefined;
  let overloaded = false;
  /** Of an output that a stage would be skipped for. What the disk does not tell counts: its worker will say so. */
  const isSound = async ({ uri, sha256 }: Pick<ArtifactRow, "uri" | "sha256">): Promise<boolean> => {
    const place = placeOf(uri);
    if (home === undefined || place === undefined || lookFor(home, uri) !== "there") return true;
    const [damage] = await damageOf(home, place, sha256).catch(() => []);
    if (damage === undefined) return true;
    log.error("an output is damaged and given up", { sha256, ...damage });
    setAside(home, place);
    return false;
  };
  let timer: NodeJS.Timeout | undefined;
  let later = () => {};
  let sweptAt = 0;

  const once = async (): Promise<void> => {
    const held = office();
    if (!held) return;
    try {
      if (decides?.office !== held) {
        const reconciler = new Reconciler(portsOf(held.term), policy, log, () => performance.now());
        decides = { office: held, reconciler };
      }
      const waitMs = await decides.reconciler.look();
      await relayOutbox(database, ring);
      clearTimeout(timer);
      if (waitMs !== null) timer = setTimeout(later, waitMs);
      overloaded = false;
      if (Date.now() - sweptAt > sweepEveryMs) {
        sweptAt = Date.now();
        if (home !== undefined) await lookForLost(database, home);
        await sweepOutbox(database, sweepEveryMs);
      }
    } catch (error) {
      if (isOverload(error)) {
        if (!overloaded) log.warn("serve has no connection free to look at the rows with", { error });
        overloaded = true;
        return;
      }
      // Both are told once by the leadership, which notices first.
      if (!isUnreachable(error) && !(error instanceof LostOffice)) throw error;
    }
  };
  return {
    once,
    onLater: (wake) => {
      later = wake;
    },
    stop: () => clearTimeout(timer),
  };
}
