import { number } from "../format.ts";
import { type Arm, valuesOf } from "./arms.ts";
import { html, type Markup } from "./html.ts";
import { meanWithInterval } from "./t-interval.ts";

const width = 440;
const left = 80;
const row = 34;
const top = 14;

/** Every arm as a line of its own: a dot for each seed, the mean as a stroke, its interval as a bar. */
export function armsPlot(arms: readonly Arm[], metric: string, title: string): Markup {
  const shown = arms.map((arm) => {
    const values = valuesOf(arm, metric);
    return { name: arm.name, values, ...meanWithInterval(values) };
  });
  const ends = shown.flatMap(({ values, bounds }) => [...values, ...(bounds ?? [])]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const x = (value: number) => left + 8 + ((value - low) / (high - low || 1)) * (width - left - 24);
  const bottom = top + row * shown.length;
  const lines = shown.map(({ name, values, mean, bounds }, i) => {
    const y = top + row * i + row / 2;
    const color = `var(--c${i % 9})`;
    const bar =
      bounds &&
      html`<rect x="${x(bounds[0]).toFixed(1)}" y="${y - 6}" width="${(x(bounds[1]) - x(bounds[0])).toFixed(1)}" height="12" rx="3" fill="${color}" opacity="0.25"/>`;
    const dots = values.map(
      (value) => html`<circle cx="${x(value).toFixed(1)}" cy="${y}" r="3.6" fill="${color}"/>`,
    );
    const at = x(mean).toFixed(1);
    return html`<text x="${left - 6}" y="${y + 4}" text-anchor="end">${name}</text>${bar}${dots}<line x1="${at}" x2="${at}" y1="${y - 10}" y2="${y + 10}" stroke="${color}" stroke-width="2"/>`;
  });
  return html`<figure class="plot"><figcaption>${title}</figcaption><svg viewBox="0 0 ${width} ${bottom + 22}" width="100%" role="img" aria-label="${title}">
${lines}<line x1="${left}" x2="${width - 8}" y1="${bottom}" y2="${bottom}" stroke="var(--line)"/>
<text x="${x(low).toFixed(1)}" y="${bottom + 15}">${number(low)}</text><text x="${x(high).toFixed(1)}" y="${bottom + 15}" text-anchor="end">${number(high)}</text></svg></figure>`;
}
