const seconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** Form of a duration: `90s`, `30m`, `14d`, `1d12h`. */
export const durationPattern = /^(\d+(\.\d+)?[smhdw])+$/;

/** Seconds of a duration such as `14d` or `1h30m`; the text must match `durationPattern`. */
export function durationSeconds(text: string): number {
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g)) {
    total += Number(count) * seconds[unit as keyof typeof seconds];
  }
  return total;
}
