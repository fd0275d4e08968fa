import type { RunDetail } from "../records/reads/runs.ts";
import { gap } from "./columns.ts";
import { duration } from "./format.ts";
import type { Look } from "./look.ts";
import { type Live, mark, paint, reasonText, type StageLine, stageLine } from "./stage-line.ts";
import { between, noteOf, quarantineText, runHeading, sentences, waitText } from "./status.ts";
import { cut, displayWidth, indent, table } from "./table.ts";

const barWidth = 18;

/** The whole picture of a run for a terminal that is drawn anew: a line a stage, bars where steps are known. */
export function progressFrame(detail: RunDetail, look: Look, live: Live, warnings: string[]): string {
  const lines = detail.stages.map((stage) => stageLine(stage, live, look.now));
  const { colors } = look;
  const heads = lines.map((line) => [
    `${mark(line, colors)} ${line.name}`,
    paint(line.outcome, colors)(line.word),
    line.workMs === null ? "" : duration(line.workMs),
    line.progress === null || line.progress.of === 0 ? "" : bar(line.progress.step / line.progress.of, look),
  ]);
  const room = look.width - 2 - [0, 1, 2, 3].reduce((sum, i) => sum + widthOf(heads, i), 0);
  const rows = heads.map((head, i) => [...head, endedNote(lines[i]!, room) ?? noteOf(lines[i]!)]);
  const columns = [{}, {}, { align: "right" }, { drop: "early" }, { gives: "below" }] as const;
  const parts = [runHeading(detail, look), table(columns, rows, look, 2)];
  const shared = lines.flatMap(waitText);
  if (shared.length > 0) parts.push(sentences(shared, look));
  if (detail.quarantine !== null) parts.push(indent(quarantineText(detail.quarantine, look)));
  if (warnings.length > 0) {
    parts.push(
      indent(warnings.map((text) => `${colors.yellow("!")} ${cut(text, look.width - 4)}`).join("\n")),
    );
  }
  return parts.join("\n\n");
}

/** A column with the gap beside it; nothing where no row has it. */
function widthOf(rows: string[][], i: number): number {
  const width = Math.max(0, ...rows.map((row) => displayWidth(row[i]!)));
  return width === 0 ? 0 : width + gap.length;
}

/**
 * Numbers of a stage that has ended, as many as one line has room for: the picture has to fit into the terminal's height,
 * and the summary tells all of them.
 */
function endedNote(line: StageLine, room: number): string | undefined {
  if (line.state !== "SUCCEEDED" && line.state !== "SKIPPED") return undefined;
  const parts = noteOf(line).split(between);
  while (displayWidth(parts.join(between)) > room && parts.length > 0) parts.pop();
  return parts.join(between);
}

/** `━━━━━━━───────────` */
export function bar(share: number, { colors }: Pick<Look, "colors">): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return colors.yellow("━".repeat(full)) + colors.dim("─".repeat(barWidth - full));
}

/**
 * What changed since the last look, as lines that stay: for logs and pipes, where nothing can be drawn anew. A running
 * stage gets a line of its own only when `due`.
 */
export function progressLines(before: StageLine[], now: StageLine[], due: boolean, look: Look): string[] {
  return now.flatMap((line) => {
    const old = before.find((other) => other.name === line.name);
    if (line.waitsFor !== null && old?.waitsFor !== line.waitsFor) return waitText(line);
    if (old?.state !== line.state && line.state !== "PENDING" && line.state !== "READY")
      return [changeLine(line, look)];
    if (line.state !== "RUNNING") return [];
    if (old !== undefined && old.retries < line.retries)
      return [`${mark(line, look.colors)} ${line.name}: attempt ${line.retries + 1}`];
    const note = noteOf(line);
    if (old !== undefined && line.doing !== null && activityOf(old) !== activityOf(line))
      return [`${mark(line, look.colors)} ${line.name}: ${line.word} ${note}`];
    return due && note !== "" ? [`${mark(line, look.colors)} ${line.name}: ${line.word} ${note}`] : [];
  });
}

/** What it does without how far it is: numbers change with every look. */
function activityOf({ word, doing }: StageLine): string {
  return `${word} ${(doing ?? "").replaceAll(/\d[\d,.]*/g, "#")}`;
}

function changeLine(line: StageLine, look: Look): string {
  const head = `${mark(line, look.colors)} ${line.name}: `;
  switch (line.state) {
    case "RUNNING":
      return `${head}started`;
    case "SUCCEEDED":
      return [`${head}done in ${duration(line.elapsedMs ?? 0)}`, ...line.numbers.slice(0, 3)].join(" · ");
    case "SKIPPED":
      return `${head}unchanged, outputs of run ${line.cachedRun ?? "before"} used`;
    case "FAILED":
    case "CANCELLED":
    case "PENDING":
    case "READY":
      return `${head}${line.word}${reasonText(line) === "" ? "" : `, ${reasonText(line)}`}`;
  }
}
