import { number, percent } from "./format.ts";
import type { PasPreview } from "./pas.ts";

const palette = [
  "#1b6ca8",
  "#7ab8e0",
  "#cfe5f5",
  "#b3541e",
  "#e39a5f",
  "#f6d9bd",
  "#2f7d4f",
  "#83c29b",
  "#d3ebda",
];
const width = 720;
const height = 180;
const left = 70;
const pointsShown = 600;

/** Mixture, learning rate and passes as one SVG image, without scripts. */
export function pasSvg({ cells, steps, segments, passes, orderSha256 }: PasPreview): string {
  const every = Math.max(1, Math.ceil(steps.length / pointsShown));
  const shown = steps.filter(({ step }) => step % every === 0 || step === steps.length - 1);
  const x = (step: number) => left + (width * step) / Math.max(1, steps.length - 1);
  const most = Math.max(...steps.map(({ lr }) => lr));
  const points = (values: number[], base: number) =>
    values.map((value, i) => `${x(shown[i]!.step).toFixed(1)},${(base - value * height).toFixed(1)}`);
  const names = cells.map(({ group, band }) => escaped(`${group}/${band}`));

  const mixBase = 30 + height;
  let below = shown.map(() => 0);
  const areas = cells.map((_, i) => {
    const above = shown.map(({ p }, n) => below[n]! + p[i]!);
    const outline = [...points(above, mixBase), ...points(below, mixBase).reverse()].join(" ");
    below = above;
    return `<polygon points="${outline}" fill="${colour(i)}"><title>${names[i]}</title></polygon>`;
  });
  const amended = segments.slice(1).map(({ from }) => {
    const at = x(from).toFixed(1);
    return `<line x1="${at}" x2="${at}" y1="30" y2="${mixBase}" stroke="black" stroke-dasharray="4 3"/>${label(x(from) + 3, 28, `amended at ${from}`)}`;
  });
  const rateBase = mixBase + 50 + height;
  const rates = points(
    shown.map(({ lr }) => lr / most),
    rateBase,
  );
  const passTop = rateBase + 50;
  const longest = Math.max(...passes, 1);
  const bars = cells.map((_, i) => {
    const y = passTop + 10 + 18 * i;
    const long = ((width - 240) * passes[i]!) / longest;
    return `<rect x="${left + 120}" y="${y}" width="${long.toFixed(1)}" height="12" fill="${colour(i)}"/>${label(left + 112, y + 10, names[i]!, "end")}${label(left + 126 + long, y + 10, number(passes[i]!))}`;
  });
  const bottom = passTop + 30 + 18 * cells.length;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + 20} ${bottom}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
${label(left, 20, "mixture by step")}${axis(mixBase, percent(1), steps.length)}
${areas.join("\n")}
${amended.join("\n")}
${label(left, mixBase + 40, "learning rate")}${axis(rateBase, number(most), steps.length)}
<polyline points="${rates.join(" ")}" fill="none" stroke="${palette[0]}" stroke-width="2"/>
${label(left, passTop, "passes over each cell")}
${bars.join("\n")}
${label(left, bottom - 6, `order ${orderSha256}`)}
</svg>
`;
}

function axis(base: number, top: string, steps: number): string {
  return `${label(left - 6, base - height + 8, top, "end")}${label(left - 6, base, "0", "end")}${label(left + width, base + 14, `step ${steps - 1}`, "end")}<path d="M${left} ${base - height}V${base}H${left + width}" fill="none" stroke="#888"/>`;
}

function label(x: number, y: number, text: string, anchor = "start"): string {
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}">${text}</text>`;
}

function colour(i: number): string {
  return palette[i % palette.length]!;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
