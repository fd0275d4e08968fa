import { html, type Markup } from "./html.ts";

export interface IntervalPicture {
  value: number;
  bounds: [number, number] | null;
  /** A threshold or an earlier value: a vertical line, with its own interval as a pale band. */
  against?: { value: number; bounds: [number, number] | null };
  /** The values at the picture's left and right edge. */
  low: number;
  high: number;
  tone: "good" | "bad" | "accent";
}

const width = 150;
const height = 18;

/** A value with its interval on a small scale. */
export function interval({ value, bounds, against, low, high, tone }: IntervalPicture): Markup {
  const span = high - low || Math.abs(high) || 1;
  const x = (at: number) => (8 + ((at - low) / span) * (width - 16)).toFixed(1);
  const band = (ends: [number, number], color: string, opacity: number) =>
    html`<rect x="${x(ends[0])}" y="6" width="${Math.max(1, Number(x(ends[1])) - Number(x(ends[0])))}" height="6" rx="3" fill="var(--${color})" opacity="${opacity}"/>`;
  return html`<svg width="${width}" height="${height}" role="img" aria-label="${value}">
<line x1="8" x2="${width - 8}" y1="9" y2="9" stroke="var(--line)"/>
${against?.bounds ? band(against.bounds, "dim", 0.3) : ""}${against === undefined ? "" : html`<line x1="${x(against.value)}" x2="${x(against.value)}" y1="2" y2="16" stroke="var(--dim)" stroke-width="1.5"/>`}
${bounds === null ? "" : band(bounds, tone, 0.45)}<circle cx="${x(value)}" cy="9" r="3.4" fill="var(--${tone})"/></svg>`;
}
