/** Text of others (workers, agents, files, servers) on its way into the records or onto a terminal. */

const replacement = "\u{fffd}";

/**
 * The text as UTF-8 and PostgreSQL can hold it: without U+0000 and without half a surrogate pair, and cut to `most`
 * characters with a word of how many went.
 */
export function storable(text: string, most = Number.POSITIVE_INFINITY): string {
  const whole = text.replaceAll("\0", replacement).replace(/\p{Surrogate}/gu, replacement);
  if (whole.length <= most) return whole;
  const note = ` … (${whole.length} characters)`;
  // A cut may fall within a pair.
  return whole.slice(0, Math.max(0, most - note.length)).replace(/\p{Surrogate}$/u, "") + note;
}

/**
 * The text as a terminal may show it: what would move the cursor, colour, hide or turn text around is written as JSON
 * writes it, so that JSON stays the same JSON. Line ends and tabs stay.
 */
export function visible(text: string): string {
  return text.replace(unseen, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** What somebody wrote, as a message holds it: in quotes, of a long one only the beginning and its length. */
export function quoted(text: string, most = 60): string {
  const shown = JSON.stringify(text.slice(0, most).replace(/\p{Surrogate}$/u, ""));
  return text.length <= most ? shown : `${shown.slice(0, -1)}…" (${text.length} characters)`;
}

/** Control characters (but for tab and line end), and marks that change the direction of text. */
const unseen = /(?![\t\n])\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/** A measured number as a sentence has it: four digits, or as many more as tell it from the one that stands `beside` it. */
export function measured(value: number | null, beside: number | null = null): string {
  if (value === null) return "not measured";
  const to = (number: number, digits: number) => Number(number.toPrecision(digits));
  let digits = 4;
  if (beside !== null && beside !== value)
    while (digits < 17 && to(value, digits) === to(beside, digits)) digits++;
  return String(to(value, digits));
}
