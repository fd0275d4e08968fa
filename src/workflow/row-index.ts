/** Ids of rows by a key that never changes (the stage of a shard, the attempt of an artifact). */
export class RowIndex {
  readonly #ids = new Map<string, Set<string>>();

  add(key: string, id: string): void {
    const ids = this.#ids.get(key);
    if (ids) ids.add(id);
    else this.#ids.set(key, new Set([id]));
  }

  remove(key: string, id: string): void {
    this.#ids.get(key)?.delete(id);
  }

  /** In the order they were added. */
  of(key: string): Iterable<string> {
    return this.#ids.get(key) ?? [];
  }
}
