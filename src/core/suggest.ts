import { distance } from "fastest-levenshtein";
import { LegaloneError } from "./errors.ts";
import { quoted } from "./text.ts";

/** The known word that is nearest to `word`, or undefined where none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  // Of longer words nobody mistook one for another, and comparing them takes the square of their length.
  if (word.length > 200) return undefined;
  // Two slips even in a short word: a transposition counts as two.
  const limit = word.length < 4 ? 1 : Math.max(2, Math.floor(word.length / 3));
  return known
    .map((candidate) => ({ candidate, far: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, far }) => far <= limit || (word !== "" && candidate.startsWith(word)))
    .sort((a, b) => a.far - b.far)[0]?.candidate;
}

/** `did you mean X?` for the nearest known word, or undefined where none is near. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const near = nearest(word, known);
  return near === undefined ? undefined : `did you mean \`${near}\`?`;
}

/** The suggestion if there is one, else the whole list. */
export function didYouMeanOrList(word: string, known: readonly string[]): string {
  return didYouMean(word, known) ?? `known: ${listed(known)}`;
}

/** Names as a sentence holds them: of many only some, and how many more there are. */
export function listed(names: readonly string[], most = 12): string {
  if (names.length === 0) return "none";
  const more = names.length > most ? ` and ${names.length - most} more` : "";
  return names.slice(0, most).join(", ") + more;
}

/**
 * A name that is none of those there are. Of the records it is E_NOT_FOUND; of a file that the same command names, E_USAGE.
 * @param what what it would be and where: `stage of run r7k2m9x2a`
 */
export function unknownName(
  code: "E_NOT_FOUND" | "E_USAGE",
  what: string,
  name: string,
  known: readonly string[],
): LegaloneError {
  const near = nearest(name, known);
  const hint = `${near === undefined ? "" : `Did you mean ${near}? `}There are: ${listed(known)}`;
  return new LegaloneError(code, `${quoted(name)} is no ${what}`, {
    hint,
    fields: { near: known.slice(0, 100) },
  });
}
