import type { RunDetail } from "../records/reads/runs.ts";
import { duration } from "./format.ts";
import type { Look } from "./look.ts";
import { type Live, mark, paint, reasonText, type StageLine, stageLine } from "./stage-line.ts";
import { noteOf, quarantineText, runHeading, waitText } from "./status.ts";
import { cut, displayWidth, indent, table } from "./table.ts";

const barWidth = 18;

/** The whole picture of a run for a terminal that is drawn anew: a line a stage, bars where steps are known. */
export function progressFrame(detail: RunDetail, look: Look, live: Live, warnings: string[]): string {
  const lines = detail.stages.map((stage) => stageLine(stage, live, look.now));
  const { colors } = look;
  const widest = Math.max(...lines.map((line) => displayWidth(line.name)), 0);
  // Mark, name, word and time stand left of the note.
  const room = Math.max(20, look.width - widest - 30);
  const rows = lines.map((line) => [
    `${mark(line, colors)} ${line.name}`,
    paint(line.outcome, colors)(line.word),
    line.workMs === null ? "" : duration(line.workMs),
    noteWithBar(line, look, room),
  ]);
  const parts = [runHeading(detail, look), indent(table([{}, {}, { align: "right" }, {}], rows))];
  const shared = lines.flatMap(waitText);
  if (shared.length > 0) parts.push(indent(shared.join("\n")));
  if (detail.quarantine !== null) parts.push(indent(quarantineText(detail.quarantine, look)));
  if (warnings.length > 0) {
    parts.push(
      indent(warnings.map((text) => `${colors.yellow("!")} ${cut(text, look.width - 4)}`).join("\n")),
    );
  }
  return parts.join("\n\n");
}

function noteWithBar(line: StageLine, look: Look, room: number): string {
  if (line.progress === null || line.progress.of === 0 || room < 60) return cut(noteOf(line), room);
  return `${bar(line.progress.step / line.progress.of, look)}  ${cut(noteOf(line), room - barWidth - 2)}`;
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
    return due && note !== "" ? [`${mark(line, look.colors)} ${line.name}: ${line.word} ${note}`] : [];
  });
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
