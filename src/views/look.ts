import { randomInt } from "node:crypto";
import picocolors from "picocolors";
import { visible } from "../core/text.ts";

export type Colors = ReturnType<typeof picocolors.createColors>;

/** How a text view is to look: what every view gets beside its data. */
export interface Look {
  colors: Colors;
  /** Columns of the terminal; infinite into a file or pipe, where nothing has to fit. */
  width: number;
  now: Date;
}

/** A look for a stream: colours where it is a terminal (NO_COLOR and FORCE_COLOR hold), its width. */
export function lookOf(stream: { isTTY?: boolean; columns?: number }, now = new Date()): Look {
  const color =
    process.env.FORCE_COLOR !== undefined || (stream.isTTY === true && picocolors.isColorSupported);
  return { colors: ownColors(color), width: stream.columns || Number.POSITIVE_INFINITY, now };
}

/** A look without colours, for text that goes into a page. */
export function plainLook(now: Date): Look {
  return { colors: picocolors.createColors(false), width: Number.POSITIVE_INFINITY, now };
}

/** Columns for what is drawn or told in sentences, which have to end somewhere also in a file. */
export function pageWidth({ width }: Pick<Look, "width">): number {
  return Number.isFinite(width) ? width : 160;
}

/** Stands in every colour of ours: nobody else knows it, and what measures a text takes it for a part of the colour. */
const mark = Array.from({ length: 3 }, () => randomInt(1000, 10_000)).join(";");
const marked = new RegExp(`\\x1b\\[${mark};`);

function ownColors(color: boolean): Colors {
  const plain = picocolors.createColors(color);
  if (!color) return plain;
  const own = Object.entries(plain).map(([name, paint]) => [
    name,
    typeof paint !== "function"
      ? paint
      : (text: string) => paint(shown(String(text))).replaceAll("\x1b[", `\x1b[${mark};`),
  ]);
  return Object.fromEntries(own) as Colors;
}

/**
 * A text on its way out of this process, whatever workers, events, files and errors have put into it: of all that a
 * terminal would obey, only our own colours get through.
 */
export function shown(text: string): string {
  const [first = "", ...painted] = text.split(marked);
  return visible(first) + painted.map((part) => `\x1b[${visible(part)}`).join("");
}
