import { distance } from "fastest-levenshtein";

/** `did you mean X?` for the nearest known word, or undefined where none is near. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  // Two slips even in a short word: a transposition counts as two.
  const limit = word.length < 4 ? 1 : Math.max(2, Math.floor(word.length / 3));
  const near = known
    .map((candidate) => ({ candidate, far: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, far }) => far <= limit || candidate.startsWith(word))
    .sort((a, b) => a.far - b.far)[0];
  return near && `did you mean \`${near.candidate}\`?`;
}

/** The suggestion if there is one, else the whole list. */
export function didYouMeanOrList(word: string, known: readonly string[]): string {
  return didYouMean(word, known) ?? (known.length > 0 ? `known: ${known.join(", ")}` : "none is known");
}
