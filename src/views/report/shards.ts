import { type Fields, fields, list, numberOf, numbers } from "./data.ts";

/** What the shards of a stage wrote under one name, as the stage in one part would have written it. */
export function joinShardFiles(name: string, parts: readonly Fields[]): Fields {
  if (parts.length === 1) return parts[0]!;
  switch (name) {
    case "packed/cells.json":
      return {
        ...parts[0],
        cells: joinCells(parts.flatMap((part) => list(part.cells).map(fields))),
        ...joinPredictors(parts.map((part) => part.predictor)),
      };
    case "packed/histogram.json":
      return joinHistograms(parts);
    case "evaluation/report.json":
      return joinEvaluations(parts);
    default:
      return parts.at(-1) ?? {};
  }
}

/** The summary of a stage; of a split one, whose summaries are kept by shard, as one part would have told it. */
export function joinSummaries(kind: string, summary: Fields, judged: readonly (number | null)[]): Fields {
  const shards = list(summary.shards).map(fields);
  if (shards.length === 0) return summary;
  if (kind === "perplexity") return joinShardFiles("packed/cells.json", shards);
  if (kind === "eval") return joinShardFiles("evaluation/report.json", shards);
  return kind.startsWith("lead-") || kind === "synthetic" ? joinLead(shards, judged) : summary;
}

/**
 * Of stages that ask a teacher: counts add up, marks are means weighted by what each shard judged, and of anything else
 * the first shard speaks.
 */
function joinLead(shards: readonly Fields[], judged: readonly (number | null)[]): Fields {
  const { lowest: _, mean_marks: __, ...counted } = fields(addUp(shards));
  const { lowest } = shards[0]!;
  const marks = meanMarks(shards, judged);
  return { ...counted, ...(lowest === undefined ? {} : { lowest }), ...(marks ? { mean_marks: marks } : {}) };
}

function addUp(values: readonly unknown[]): unknown {
  const there = values.filter((value) => value !== undefined && value !== null);
  if (there.every((value) => typeof value === "number")) {
    return there.reduce((sum: number, value) => sum + (numberOf(value) ?? 0), 0);
  }
  if (there.every((value) => typeof value === "object" && !Array.isArray(value))) {
    const names = new Set(there.flatMap((value) => Object.keys(fields(value))));
    return Object.fromEntries(
      [...names].map((name) => [name, addUp(there.map((value) => fields(value)[name]))]),
    );
  }
  return there[0];
}

function meanMarks(shards: readonly Fields[], judged: readonly (number | null)[]): Fields | null {
  const marks = shards.map((shard) => fields(shard.mean_marks));
  const axes = new Set(marks.flatMap((mark) => Object.keys(mark)));
  const told = [...axes].flatMap((axis): [string, number][] => {
    const values = marks.map((mark, i) => [numberOf(mark[axis]), judged[i] ?? 0] as const);
    const total = values.reduce((sum, [, weight]) => sum + weight, 0);
    if (total === 0 || values.some(([value, weight]) => value === null && weight > 0)) return [];
    return [[axis, values.reduce((sum, [value, weight]) => sum + (value ?? 0) * weight, 0) / total]];
  });
  return told.length === 0 ? null : Object.fromEntries(told);
}

/** Counts add up; agreements are means weighted by the held-out documents of each shard's own predictor. */
function joinPredictors(parts: readonly unknown[]): Fields {
  const known = parts.filter((part) => part !== undefined).map(fields);
  if (known.length === 0) return {};
  const heldout = known.map((part) => numberOf(part.heldout) ?? 0);
  const total = heldout.reduce((sum, count) => sum + count, 0);
  const mean = (name: string) =>
    known.reduce((sum, part, i) => sum + (numberOf(part[name]) ?? 0) * heldout[i]!, 0) / Math.max(1, total);
  return {
    predictor: {
      ...fields(addUp(known)),
      spearman: mean("spearman"),
      same_band: mean("same_band"),
    },
  };
}

function joinCells(cells: readonly Fields[]): Fields[] {
  const found = new Map<string, Fields>();
  for (const cell of cells) {
    const key = JSON.stringify([cell.group, cell.band]);
    const before = found.get(key);
    const counts = ["documents", "sequences", "tokens"].map((name) => [
      name,
      (numberOf(before?.[name]) ?? 0) + (numberOf(cell[name]) ?? 0),
    ]);
    found.set(key, { ...cell, ...Object.fromEntries(counts) });
  }
  return [...found.values()];
}

/**
 * Shards have edges of their own: each of their bins goes to the bin of the whole that holds its middle. Bins of the
 * whole are as wide as the narrowest; edges cut from one lattice, as perplexity writes them, keep every bin as it is.
 */
function joinHistograms(parts: readonly Fields[]): Fields {
  const edgesOf = parts.map((part) => numbers(part.edges));
  const whole = edgesOf.filter((edges) => edges.length > 1);
  if (whole.length === 0) return {};
  const low = Math.log(Math.min(...whole.map((edges) => edges[0]!)));
  const high = Math.log(Math.max(...whole.map((edges) => edges.at(-1)!)));
  const narrowest = Math.min(
    ...whole.map((edges) => Math.log(edges.at(-1)! / edges[0]!) / (edges.length - 1)),
  );
  const bins = Math.max(1, Math.round((high - low) / narrowest));
  const groups = new Map<unknown, number[]>();
  for (const [i, part] of parts.entries()) {
    const edges = edgesOf[i]!;
    for (const group of list(part.groups).map(fields)) {
      const counts = groups.get(group.group) ?? new Array<number>(bins).fill(0);
      for (const [bin, documents] of numbers(group.counts).entries()) {
        const middle = (Math.log(edges[bin]!) + Math.log(edges[bin + 1]!)) / 2;
        const place = high > low ? Math.floor((bins * (middle - low)) / (high - low)) : 0;
        counts[Math.min(bins - 1, Math.max(0, place))]! += documents;
      }
      groups.set(group.group, counts);
    }
  }
  return {
    edges: Array.from({ length: bins + 1 }, (_, i) => Math.exp(low + (i * (high - low)) / bins)),
    groups: [...groups].map(([group, counts]) => ({ group, counts })),
  };
}

/** Every task of a model was scored in one shard; a task's line is told in the shards of all its models. */
function joinEvaluations(parts: readonly Fields[]): Fields {
  const all = (name: string) => parts.flatMap((part) => list(part[name]));
  const tasks = new Map<unknown, Fields>();
  for (const line of all("tasks").map(fields)) {
    const before = tasks.get(line.task) ?? {};
    const scores = ["strict", "compatible", "option_likelihood"].map((score) => [
      score,
      { ...fields(before[score]), ...fields(line[score]) },
    ]);
    tasks.set(line.task, { ...line, ...Object.fromEntries(scores) });
  }
  const lists = ["rows", "answers", "forgetting"].map((name) => [name, all(name)]);
  return { ...parts[0], tasks: [...tasks.values()], ...Object.fromEntries(lists) };
}
