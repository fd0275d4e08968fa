import type { ShardState, ShardTally } from "../core/rows.ts";

/** How many shards of a stage are in each state, all of them, also those that a snapshot leaves out. */
export class Tallies {
  readonly #counts = new Map<string, Map<ShardState, number>>();

  constructor(tallies: readonly ShardTally[]) {
    for (const { stageId, state, count } of tallies) this.#add(stageId, state, count);
  }

  /** One shard went from a state to another. */
  moved(stageId: string, from: ShardState, to: ShardState): void {
    this.#add(stageId, from, -1);
    this.#add(stageId, to, 1);
  }

  /** All shards of a state went to another. */
  movedAll(stageId: string, from: ShardState, to: ShardState): void {
    const count = this.of(stageId, from);
    this.#add(stageId, from, -count);
    this.#add(stageId, to, count);
  }

  of(stageId: string, state: ShardState): number {
    return this.#counts.get(stageId)?.get(state) ?? 0;
  }

  /** Shards that have not ended. */
  open(stageId: string): number {
    return this.of(stageId, "PENDING") + this.of(stageId, "RUNNING");
  }

  #add(stageId: string, state: ShardState, count: number): void {
    const counts = this.#counts.get(stageId) ?? new Map<ShardState, number>();
    counts.set(state, (counts.get(state) ?? 0) + count);
    this.#counts.set(stageId, counts);
  }
}
