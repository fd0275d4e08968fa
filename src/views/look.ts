import picocolors from "picocolors";

export type Colors = ReturnType<typeof picocolors.createColors>;

/** How a text view is to look: what every view gets beside its data. */
export interface Look {
  colors: Colors;
  /** Columns of the terminal. */
  width: number;
  now: Date;
}

/** A look for a stream: colours where it is a terminal (NO_COLOR and FORCE_COLOR hold), its width; into a file or pipe lines may be long. */
export function lookOf(stream: { isTTY?: boolean; columns?: number }, now = new Date()): Look {
  const color =
    process.env.FORCE_COLOR !== undefined || (stream.isTTY === true && picocolors.isColorSupported);
  return { colors: picocolors.createColors(color), width: stream.columns ?? 160, now };
}
