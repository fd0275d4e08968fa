import { bytes, duration, words } from "../../format.ts";
import { briefNumbers, showNumber } from "../../key-numbers.ts";
import { nothingLive, stageLine } from "../../stage-line.ts";
import type { ReportData, StageReport } from "../data.ts";
import { type Content, html, htmlTable } from "../html.ts";
import type { SectionView } from "../section.ts";

const tones: Record<string, string> = {
  SUCCEEDED: "good",
  SKIPPED: "good",
  FAILED: "bad",
  CANCELLED: "warn",
  RUNNING: "warn",
  PENDING: "dim",
  READY: "dim",
};

/** Attempts and outputs of a stage that are listed. */
const mostRows = 100;

/** Every stage: how it ended, how long it took, its key numbers and what it committed. */
export const stageSection: SectionView = (data) => {
  if (data.stages.length === 0) return null;
  const retried = data.stages.filter(
    (stage) => stage.attempts.length > stage.row.shards.length || stage.row.generation > 1,
  );
  return {
    id: "stages",
    title: "Stages",
    body: html`${htmlTable(
      [
        { title: "Stage" },
        { title: "State" },
        { title: "Time", numeric: true },
        { title: "Key numbers" },
        { title: "Committed" },
      ],
      data.stages.map((stage) => stageRow(stage, data)),
    )}${retried.length === 0 ? "" : html`<h3>Attempts</h3><p>Stages that needed more than one attempt, oldest first.</p>${attemptTable(retried)}`}`,
  };
};

function stageRow(stage: StageReport, data: ReportData): Content[] {
  const line = stageLine(stage.row, nothingLive, data.now);
  const told = briefNumbers(stage.metrics).slice(0, 6).map(showNumber);
  const reason =
    stage.row.state === "FAILED" || stage.row.state === "CANCELLED"
      ? html`<br><span class="dim">${words(stage.row.reason ?? "")}</span>`
      : "";
  return [
    html`<b>${stage.row.name}</b>${stage.row.kind === stage.row.name ? "" : html`<br><span class="dim">${stage.row.kind}</span>`}`,
    html`<span class="${tones[line.outcome] ?? "dim"}">${line.word}</span>${reason}${line.cachedRun === null ? "" : html`<br><span class="dim">from ${line.cachedRun}, with its time</span>`}`,
    line.workMs === null ? "" : duration(line.workMs),
    told.map((text, i) => html`${i > 0 ? html`<br>` : ""}${text}`),
    stage.row.artifacts
      .slice(0, mostRows)
      .map(
        (artifact, i) =>
          html`${i > 0 ? html`<br>` : ""}${artifact.kind} <span class="dim">${bytes(artifact.bytes)}</span> <code>${artifact.sha256.slice(0, 10)}</code>${leftOut(stage.row.artifacts.length, i)}`,
      ),
  ];
}

/** Of very many, those that ended badly before those that ended well; oldest first. */
function toldAttempts({ attempts }: StageReport): StageReport["attempts"] {
  if (attempts.length <= mostRows) return attempts;
  const well = (attempt: StageReport["attempts"][number]) => Number(attempt.state === "SUCCEEDED");
  return [...attempts].sort((a, b) => well(a) - well(b)).slice(0, mostRows);
}

function leftOut(of: number, i: number): Content {
  return i === mostRows - 1 && of > mostRows
    ? html`<br><span class="dim">and ${of - mostRows} more</span>`
    : "";
}

function attemptTable(stages: StageReport[]) {
  const rows = stages.flatMap((stage) =>
    toldAttempts(stage).map((attempt, i) => [
      html`<code>${attempt.id}</code>${leftOut(stage.attempts.length, i)}`,
      attempt.state.toLowerCase(),
      words(attempt.reason ?? ""),
      attempt.cause ?? "",
      attempt.step === null ? "" : `${attempt.step}/${attempt.of ?? "?"}`,
      attempt.endedAt === null
        ? ""
        : duration(attempt.endedAt.getTime() - (attempt.startedAt ?? attempt.dispatchedAt).getTime()),
      attempt.nodeId ?? "",
    ]),
  );
  return htmlTable(
    [
      { title: "Attempt" },
      { title: "State" },
      { title: "Reason" },
      { title: "Cause" },
      { title: "Step", numeric: true },
      { title: "Time", numeric: true },
      { title: "Node" },
    ],
    rows,
  );
}
