/** A cell of packed data, as cells.json lists it. */
export interface PackedCell {
  group: string;
  band: string;
  /** Row id of its first sequence. */
  first: number;
  sequences: number;
  tokens: number;
}

/** Share of a group, or of each of its bands. */
export type WrittenWeights = Readonly<Record<string, number | Readonly<Record<string, number>>>>;

/** Share of the general group; the others divide the rest by their tokens. From the recipe: general : legal = 4 : 6. */
export const generalShare = 0.4;

/**
 * Target weight of each cell, in order, adding up to 1; cells without sequences get 0.
 * A group's share comes from `written`, or is 0.40 for `general` and 0.60 for all others together, by tokens.
 * Inside a group the bands follow `written` or their tokens. Groups that are not in the data leave their share to the rest.
 */
export function cellWeights(cells: readonly PackedCell[], written: WrittenWeights = {}): number[] {
  const full = cells.map((cell) => (cell.sequences > 0 ? cell.tokens : 0));
  const tokensOf = (match: (cell: PackedCell) => boolean) =>
    full.reduce((sum, tokens, i) => (match(cells[i]!) ? sum + tokens : sum), 0);
  const others = tokensOf(({ group }) => group !== "general");

  const weights = cells.map((cell, i) => {
    const given = written[cell.group];
    const inGroup = tokensOf(({ group }) => group === cell.group);
    if (full[i] === 0 || inGroup === 0) return 0;
    if (typeof given === "object") return given[cell.band] ?? 0;
    const share =
      given ?? (cell.group === "general" ? generalShare : (1 - generalShare) * (inGroup / others));
    return share * (full[i]! / inGroup);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return total > 0 ? weights.map((weight) => weight / total) : weights;
}

/** Names in `written` that no cell has; they would be without effect. */
export function unknownWeights(cells: readonly PackedCell[], written: WrittenWeights = {}): string[] {
  return Object.entries(written).flatMap(([group, share]) => {
    const members = cells.filter((cell) => cell.group === group);
    if (members.length === 0) return [group];
    if (typeof share === "number") return [];
    return Object.keys(share)
      .filter((band) => !members.some((cell) => cell.band === band))
      .map((band) => `${group}.${band}`);
  });
}

/** Cells and groups that `written` gives a weight above 0 although the data has no sequence of them. */
export function emptyWeights(cells: readonly PackedCell[], written: WrittenWeights = {}): string[] {
  const isEmpty = (match: (cell: PackedCell) => boolean) =>
    cells.filter(match).every(({ sequences }) => sequences === 0);
  return Object.entries(written).flatMap(([group, share]) => {
    if (typeof share === "number") return share > 0 && isEmpty((cell) => cell.group === group) ? [group] : [];
    return Object.entries(share)
      .filter(([band, part]) => part > 0 && isEmpty((cell) => cell.group === group && cell.band === band))
      .map(([band]) => `${group}.${band}`);
  });
}
