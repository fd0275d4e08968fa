import { runOfStage } from "../core/ids.ts";
import type { QueuePlace } from "../records/reads/queue.ts";
import type { RunDetail } from "../records/reads/runs.ts";
import type { RunState } from "../records/reads/verdict.ts";
import { clock, count, duration, number, words } from "./format.ts";
import { formatOf, gateMetric } from "./key-numbers.ts";
import { type Colors, type Look, pageWidth } from "./look.ts";
import { differingOptions, differingText } from "./run-options.ts";
import { type Live, mark, nothingLive, paint, reasonText, type StageLine, stageLine } from "./stage-line.ts";
import { cut, displayWidth, indent, paragraphs, table, wrap } from "./table.ts";
import { verdictSentence } from "./verdict.ts";

/** The runs, newest first, a line each, and what differs between those of a pipeline. */
export function runList(
  runs: RunDetail[],
  look: Look,
  queue: readonly QueuePlace[] = [],
  filtered = false,
): string {
  if (runs.length === 0)
    return filtered
      ? "No run is of this pipeline with these tags. All: legalone status"
      : "No run yet. Start one: legalone train pipelines/demo.yaml";
  const differing = differingOptions(runs);
  const titled = (title: string, has: (run: RunDetail["run"]) => boolean) =>
    runs.some(({ run }) => has(run)) ? title : "";
  const rows = runs.map(({ run, stages, verdict, quarantine }) => {
    const done = stages.filter((stage) => stage.state === "SUCCEEDED" || stage.state === "SKIPPED").length;
    const now =
      stages.find((stage) => stage.state === "RUNNING") ??
      stages.find((stage) => stage.name === verdict.stage);
    return [
      run.id,
      run.name ?? "",
      run.pipeline,
      paintRun(verdict.state, look.colors)(words(verdict.state)),
      `${done}/${stages.length}`,
      clock(run.createdAt, look.now),
      runTime(verdict, look.now),
      run.priority === 0 ? "" : String(run.priority),
      run.tags.join(", "),
      whereText(
        now?.name,
        quarantine !== null,
        queue.filter(({ runId }) => runId === run.id),
      ),
      differingText(differing.get(run.id)!),
    ];
  });
  return table(
    [
      { title: "RUN" },
      { title: titled("NAME", (run) => run.name !== null), gives: "cut" },
      { title: "PIPELINE", gives: "cut" },
      { title: "STATE" },
      { title: "STAGES", align: "right" },
      { title: "STARTED" },
      { title: "TIME", align: "right", drop: "late" },
      { title: titled("PRIORITY", (run) => run.priority !== 0), align: "right", drop: "late" },
      { title: titled("TAGS", (run) => run.tags.length > 0), gives: "wrap", drop: "late" },
      { title: "AT", gives: "wrap" },
      {
        title: titled("DIFFERS", (run) => differing.get(run.id)!.size > 0),
        gives: "below",
      },
    ],
    rows,
    look,
  );
}

function whereText(stage: string | undefined, quarantined: boolean, places: readonly QueuePlace[]): string {
  return [stage ?? "", quarantined ? "in quarantine" : "", ...places.map(placeText)]
    .filter((text) => text !== "")
    .join("; ");
}

/** One run: a heading, a line a stage, its gates, and why it ended when it did not end well. */
export function runStatus(
  detail: RunDetail,
  look: Look,
  live: Live = nothingLive,
  queue: readonly QueuePlace[] = [],
): string {
  const { colors } = look;
  const lines = detail.stages.map((stage) => stageLine(stage, live, look.now));
  const heading =
    `${runHeading(detail, look)}${noteText(detail, look)}\n${wrap(verdictSentence(detail), pageWidth(look))}`.trimEnd();
  const parts = [heading, stageTable(lines, look)];
  const gates = gateTable(detail, look, 2);
  if (gates !== "") parts.push(gates);
  const shared = lines.flatMap(waitText);
  if (shared.length > 0) parts.push(sentences(shared, look));
  if (detail.quarantine !== null) parts.push(indent(quarantineText(detail.quarantine, look)));
  const waits = queue.filter(({ runId }) => runId === detail.run.id);
  if (waits.length > 0) parts.push(sentences(waits.map(placeText), look));
  const { verdict } = detail;
  if (verdict.stage !== null) {
    const why = reasonText({ reason: verdict.reason, message: verdict.message });
    const said = `${paintRun(verdict.state, colors)(verdict.stage)}: ${why === "" ? words(verdict.state) : why}`;
    parts.push(wrap(said, look.width));
  }
  return parts.join("\n\n");
}

/** A line each, moved right; longer ones go on below. */
export function sentences(texts: readonly string[], look: Look): string {
  return indent(paragraphs(texts, { width: look.width - 2 }));
}

/** `sft waits for run r7k2m9x2a, which makes the same` */
export function waitText({ name, waitsFor }: StageLine): string[] {
  return waitsFor === null ? [] : [`${name} waits for run ${runOfStage(waitsFor)}, which makes the same`];
}

/** `in quarantine since 12:03 (3 tries): …` */
export function quarantineText(
  { since, error, tries }: NonNullable<RunDetail["quarantine"]>,
  look: Look,
): string {
  const when = `in quarantine since ${clock(since, look.now)} (${tries} ${tries === 1 ? "try" : "tries"})`;
  return `${look.colors.red("!")} ${when}: ${cut(error.replaceAll(/\s+/g, " "), Math.max(40, look.width * 2))}`;
}

/** `sft waits for a free place, 2 of 5`, with its shards where it has several. */
export function placeText({ stage, place, of, waiting }: QueuePlace): string {
  const shards = waiting > 1 ? ` with ${waiting} shards` : "";
  return `${stage} waits for a free place${shards}, ${place} of ${of}`;
}

/** `run r7k2m9x2a  demo  running  2m 10s  pipelines/demo.yaml`; what has no room stands on the next line. */
export function runHeading({ run, verdict }: RunDetail, look: Look): string {
  const { colors } = look;
  const parts = [
    `run ${colors.bold(run.id)}`,
    run.name === null ? "" : colors.bold(cut(run.name, look.width - 2)),
    cut(run.pipeline, Math.min(60, look.width - 2)),
    paintRun(verdict.state, colors)(words(verdict.state)),
    runTime(verdict, look.now),
    colors.dim(cut(run.file, Math.min(1000, look.width - 2))),
    run.forkedFrom === null ? "" : colors.dim(`fork of ${run.forkedFrom}`),
    run.from === null ? "" : colors.dim(`from ${run.from}`),
    run.priority === 0 ? "" : `priority ${run.priority}`,
    run.tags.length === 0 ? "" : `tagged ${run.tags.join(", ")}`,
  ];
  const lines: string[] = [];
  for (const part of parts.filter((part) => part !== "")) {
    const longer = `${lines.at(-1) ?? ""}  ${part}`;
    if (lines.length > 0 && displayWidth(longer) <= look.width) lines[lines.length - 1] = longer;
    else lines.push(lines.length === 0 ? part : `  ${part}`);
  }
  return lines.join("\n");
}

/** What somebody has noted about the run, below its heading. */
export function noteText({ run }: RunDetail, look: Look): string {
  if (run.note === null) return "";
  const lines = run.note.split("\n").map((line) => wrap(line, pageWidth(look) - 2));
  return `\n${look.colors.dim(indent(lines.join("\n")))}`;
}

function runTime(verdict: RunDetail["verdict"], now: Date): string {
  if (verdict.startedAt === null) return "";
  return duration((verdict.endedAt ?? now).getTime() - verdict.startedAt.getTime());
}

/** A line a stage: mark, name, word, time, and what there is to say about it. */
export function stageTable(lines: StageLine[], look: Look): string {
  const { colors } = look;
  const rows = lines.map((line) => [
    `${mark(line, colors)} ${line.name}`,
    paint(line.outcome, colors)(line.word),
    line.workMs === null ? "" : duration(line.workMs),
  ]);
  return table(
    [{}, {}, { align: "right" }, { gives: "below" }],
    rows.map((row, i) => [...row, noteOf(lines[i]!)]),
    look,
    2,
  );
}

/** Between the parts of a note. */
export const between = " · ";

/** Progress while a stage runs; its key numbers when it is done; the reason when it failed. */
export function noteOf(line: StageLine): string {
  switch (line.state) {
    case "RUNNING":
      return runningNote(line);
    case "SUCCEEDED":
      return line.numbers.slice(0, 3).join(between);
    case "SKIPPED":
      return [`from ${line.cachedRun ?? "an earlier run"}`, ...line.numbers.slice(0, 2)].join(between);
    case "FAILED":
    case "CANCELLED":
      return reasonText(line);
    case "PENDING":
    case "READY":
      return "";
  }
}

function runningNote(line: StageLine): string {
  const parts: string[] = line.doing === null ? [] : [cut(line.doing, 120)];
  if (line.progress !== null)
    parts.push(`${count(line.progress.step)}/${count(line.progress.of)} ${line.progress.unit}`);
  if (line.shards.of > 1 && line.progress?.unit !== "shards")
    parts.push(`shards ${line.shards.done}/${line.shards.of}`);
  if (line.pace !== null) {
    parts.push(
      rateText(line.pace.stepsPerSecond, line.progress?.unit ?? "steps"),
      `${duration(line.pace.etaMs)} left`,
    );
  }
  for (const name of ["loss", "reward", "tokens_per_second"]) {
    const value = line.live.get(name);
    if (value !== undefined)
      parts.push(
        name === "tokens_per_second" ? `${count(Math.round(value))} tokens/s` : `${name} ${number(value)}`,
      );
  }
  if (line.retries > 0) parts.push(`attempt ${line.retries + 1}`);
  return parts.join(between);
}

/** `8.1 steps/s`, or `12s a step` where steps take longer than a second. */
export function rateText(perSecond: number, unit: string): string {
  const one = unit.replace(/s$/, "");
  return perSecond >= 1 ? `${count(perSecond)} ${unit}/s` : `${duration(1000 / perSecond)} a ${one}`;
}

/** A line a gate: what was measured against what, and whether it held. */
export function gateTable({ stages }: RunDetail, look: Look, by = 0): string {
  const { colors } = look;
  const rows = stages.flatMap((stage) =>
    stage.gates.map((gate) => {
      const show = formatOf(gate.metric.replace(/_(before|after)$/, ""));
      return [
        `${gate.passed ? colors.green("✓") : colors.red("✗")} gate ${stage.name}`,
        `${gateMetric(gate.metric)} ${words(gate.comparison)} ${againstText(gate.against, stage.name, gate.metric)}`,
        gate.value === null ? "not measured" : show(gate.value),
        gate.threshold === null ? "" : `${signs[gate.comparison] ?? gate.comparison} ${show(gate.threshold)}`,
        gate.passed ? "holds" : colors.red("does not hold"),
      ];
    }),
  );
  return table([{}, { gives: "below" }, { align: "right" }, {}, {}], rows, look, by);
}

/** What a gate was held against, taken apart: `2 * midtrain.legal_ppl`; undefined for a number. */
export function parseAgainst(against: string): { times: number; stage: string; metric: string } | undefined {
  const [, times, stage, metric] = /^(?:(\S+) \* )?([^.\s]+)\.(\S+)$/.exec(against) ?? [];
  if (stage === undefined || metric === undefined || !Number.isNaN(Number(against))) return undefined;
  return { times: Number(times ?? 1), stage, metric };
}

/**
 * `base.legal_ppl` -> `base legal ppl`, without the stage where it is the gate's own; `before` for what the gate's metric
 * was before the stage; a number as it is.
 */
export function againstText(against: string, own: string, gated: string): string {
  const parsed = parseAgainst(against);
  if (parsed === undefined) return against;
  if (parsed.stage === own && parsed.times === 1 && parsed.metric === gated.replace(/_after$/, "_before"))
    return "before";
  const { times, stage, metric } = parsed;
  return `${times === 1 ? "" : `${times} × `}${stage === own ? "" : `${words(stage)} `}${words(metric)}`;
}

const signs: Record<string, string> = { below: "<", above: ">", at_least: "≥", at_most: "≤" };

/** The colour of a run's state. */
export function paintRun(state: RunState, colors: Colors): (text: string) => string {
  switch (state) {
    case "succeeded":
      return colors.green;
    case "failed":
    case "gate_failed":
      return colors.red;
    case "cancelled":
      return colors.magenta;
    case "running":
      return colors.yellow;
    case "waiting":
      return colors.dim;
  }
}
