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
