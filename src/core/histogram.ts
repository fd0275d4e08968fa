/** `counts[i]` values lie from `edges[i]` on and below `edges[i + 1]`. */
export interface Histogram {
  edges: readonly number[];
  counts: readonly number[];
}

/** `value` as a histogram: edges that grow, one more than counts, which are whole and not negative; else null. */
export function histogramOf(value: unknown): Histogram | null {
  const { edges, counts } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (!Array.isArray(edges) || !Array.isArray(counts) || edges.length !== counts.length + 1) return null;
  const grows = edges.every((edge, i) => Number.isFinite(edge) && (i === 0 || edge > edges[i - 1]));
  return grows && counts.every((count) => Number.isSafeInteger(count) && count >= 0)
    ? { edges, counts }
    : null;
}

/**
 * Histograms of parts as that of the whole. Exact, so they have to be cut from one lattice of edges: null where bins
 * of two parts overlap without being the same. Between parts that do not meet lies an empty bin.
 */
export function joinHistograms(parts: readonly Histogram[]): Histogram | null {
  const bins = new Map<number, { end: number; count: number }>();
  for (const { edges, counts } of parts) {
    for (const [i, count] of counts.entries()) {
      const [begin, end] = [edges[i]!, edges[i + 1]!];
      const bin = bins.get(begin) ?? { end, count: 0 };
      if (bin.end !== end) return null;
      bins.set(begin, { end, count: bin.count + count });
    }
  }
  const sorted = [...bins].sort(([a], [b]) => a - b);
  const edges: number[] = [];
  const counts: number[] = [];
  for (const [begin, { end, count }] of sorted) {
    const last = edges.at(-1);
    if (last !== undefined && begin < last) return null;
    if (last === undefined) edges.push(begin);
    else if (begin > last) {
      edges.push(begin);
      counts.push(0);
    }
    edges.push(end);
    counts.push(count);
  }
  return { edges, counts };
}

/**
 * The value that a share of the values lies below, 0 <= share <= 1: evenly spread in the logarithm within its bin, so
 * that it is off by less than one bin. Edges are positive. Null without a value.
 */
export function quantileOf({ edges, counts }: Histogram, share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = share * total;
  const place = counts.findIndex((count) => {
    if (count > 0 && left <= count) return true;
    left -= count;
    return false;
  });
  const bin = place < 0 ? counts.findLastIndex((count) => count > 0) : place;
  const part = place < 0 ? 1 : left / counts[bin]!;
  return edges[bin]! * (edges[bin + 1]! / edges[bin]!) ** part;
}
