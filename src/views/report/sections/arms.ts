import { number } from "../../format.ts";
import { boundsOf } from "../../key-numbers.ts";
import { type Arm, armsOf, pairedDifference, valuesOf } from "../arms.ts";
import { armsPlot } from "../arms-plot.ts";
import { type Content, html, htmlTable, type Markup } from "../html.ts";
import type { SectionView } from "../section.ts";
import { type Mean, meanWithInterval } from "../t-interval.ts";

const measured = [
  ["legal_ppl", "legal"],
  ["general_ppl", "general"],
] as const;

/** Mid-trainings of one run beside each other: stages named `<arm>-<n>`, one for each seed. */
export const armsSection: SectionView = (data) => {
  const arms = armsOf(data);
  if (arms.length === 0) return null;
  const shown = measured.filter(([metric]) => arms.every((arm) => valuesOf(arm, metric).length > 1));
  return {
    id: "arms",
    title: "Mid-trainings compared",
    body: html`<p>Held-out perplexity after mid-training; lower is better. ${arms.map(({ name }) => name).join(", ")} start from one base model and read the same packed data for the same number of tokens. A seed decides which sequences come when. Intervals of an arm: 95 % by Student's t over its ${String(arms[0]!.runs.length)} seeds, so they say how far seeds scatter. Intervals of one training: bootstrap over the held-out documents.</p>
<div class="plots">${shown.map(([metric, name]) => armsPlot(arms, metric, `Held-out ${name} perplexity: seeds, mean, 95 % t-interval`))}</div>
${shown.map(([metric, name]) => armTable(arms, metric, name))}
<details><summary>every training</summary>${seedTable(arms)}</details>`,
  };
};

function armTable(arms: readonly Arm[], metric: string, name: string): Markup {
  const [first] = arms;
  const rows = arms.map((arm): Content[] => {
    const values = valuesOf(arm, metric);
    const before = meanWithInterval(valuesOf(arm, `${metric}_before`));
    const difference = arm === first ? null : pairedDifference(arm, first!, metric);
    return [
      arm.name,
      String(values.length),
      Number.isNaN(before.mean) ? "" : number(before.mean),
      ...shownMean(meanWithInterval(values)),
      ...(difference === null ? ["", ""] : shownMean(difference)),
      difference === null ? "" : verdict(difference),
    ];
  });
  return html`<h3>Held-out ${name} perplexity</h3>${htmlTable(
    [
      { title: "Arm" },
      { title: "Seeds", numeric: true },
      { title: "Before", numeric: true },
      { title: "After, mean", numeric: true },
      { title: "95 % t-interval", numeric: true },
      { title: `Against ${first!.name}`, numeric: true },
      { title: "95 % paired t", numeric: true },
      { title: "" },
    ],
    rows,
  )}`;
}

function shownMean({ mean, bounds }: Mean): [string, string] {
  return [number(mean), bounds === null ? "" : `${number(bounds[0])} – ${number(bounds[1])}`];
}

function verdict({ bounds }: Mean): Content {
  if (bounds === null) return "";
  if (bounds[0] > 0) return html`<span class="bad">worse</span>`;
  if (bounds[1] < 0) return html`<span class="good">better</span>`;
  return html`<span class="dim">no difference shown</span>`;
}

function seedTable(arms: readonly Arm[]): Markup {
  const interval = (metrics: Readonly<Record<string, number>>, name: string) => {
    const bounds = boundsOf(metrics, name);
    return bounds === null ? "" : `${number(bounds[0])} – ${number(bounds[1])}`;
  };
  const rows = arms.flatMap(({ runs }) =>
    runs.map(({ stage: { row, metrics } }): Content[] => [
      row.name,
      ...measured.flatMap(([metric]) => {
        const value = metrics[metric];
        return value === undefined ? ["", ""] : [number(value), interval(metrics, metric)];
      }),
    ]),
  );
  return htmlTable(
    [
      { title: "Stage" },
      ...measured.flatMap(([, name]) => [
        { title: `${name} perplexity`, numeric: true },
        { title: "Bootstrap interval", numeric: true },
      ]),
    ],
    rows,
  );
}
