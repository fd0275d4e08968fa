import { workspace } from "../core/paths.ts";
import { placePath } from "../core/places.ts";
import type { RunDetail } from "../records/reads/runs.ts";
import { bytes, duration, words } from "./format.ts";
import { type Look, pageWidth } from "./look.ts";
import { mark, nothingLive, paint, reasonText, type StageLine, stageLine } from "./stage-line.ts";
import { standIns } from "./stand-ins.ts";
import { gateTable, noteText, paintRun, sentences } from "./status.ts";
import { cut, indent, table, wrap } from "./table.ts";
import { verdictSentence } from "./verdict.ts";

/** What a run came to: stages, numbers, gates, stand-ins, where the model is, what to do next. */
export function summary(detail: RunDetail, look: Look): string {
  const parts = [
    `${wrap(heading(detail, look), look.width)}${noteText(detail, look)}\n${wrap(verdictSentence(detail), pageWidth(look))}`.trimEnd(),
    stageSection(detail, look),
    section("Gates", gateTable(detail, look, 2), look),
    section("Stand-ins", standInSection(detail, look), look),
    section("Why it ended", failureSection(detail, look), look),
    section("Model", indent(modelSection(detail)), look),
    section("Next", nextSection(detail, look), look),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function heading({ run, verdict }: RunDetail, { colors, now }: Look): string {
  const paintState = paintRun(verdict.state, colors);
  const took =
    verdict.startedAt === null
      ? ""
      : ` in ${duration((verdict.endedAt ?? now).getTime() - verdict.startedAt.getTime())}`;
  const name = run.name === null ? "" : `, ${run.name},`;
  return `run ${colors.bold(run.id)}${name} of ${cut(run.pipeline, 60)} ${paintState(words(verdict.state))}${took}`;
}

/** A stage takes as many lines as it has numbers worth telling: three a line. */
function stageSection({ stages }: RunDetail, look: Look): string {
  const { colors } = look;
  const rows = stages.flatMap((stage) => {
    const line = stageLine(stage, nothingLive, look.now);
    const first = [
      `${mark(line, colors)} ${line.name}`,
      paint(line.outcome, colors)(line.word),
      line.workMs === null ? "" : duration(line.workMs),
    ];
    const [head = "", ...more] = chunks(tellings(line), 3);
    return [[...first, head], ...more.map((text) => ["", "", "", text])];
  });
  return table(
    [
      { title: "STAGE" },
      { title: "" },
      { title: "TIME", align: "right" },
      { title: "KEY NUMBERS", gives: "below" },
    ],
    rows,
    look,
    2,
  );
}

const numbersShown = 6;

function tellings(line: StageLine): string[] {
  if (line.state === "FAILED" || line.state === "CANCELLED") return [words(line.reason ?? "")];
  const source = line.state === "SKIPPED" ? [`outputs and time of run ${line.cachedRun ?? "before"}`] : [];
  const retries = line.retries > 0 ? [`${line.retries + 1} attempts`] : [];
  return [...source, ...retries, ...line.numbers.slice(0, numbersShown)];
}

function chunks(texts: string[], size: number): string[] {
  return Array.from({ length: Math.ceil(texts.length / size) }, (_, i) =>
    texts.slice(i * size, (i + 1) * size).join(" · "),
  );
}

function standInSection(detail: RunDetail, look: Look): string {
  const found = standIns(detail);
  if (found.length === 0) return "";
  const names = [...new Set(found.map((one) => one.name))];
  const where = [...new Set(found.map((one) => one.stage))];
  return sentences(
    [
      `${names.join(" and ")} answered in place of a model in ${where.join(", ")}.`,
      "What was trained on these answers shows that the pipeline works, not what a real teacher would give.",
    ],
    look,
  );
}

function failureSection({ verdict, run }: RunDetail, look: Look): string {
  if (verdict.stage === null || verdict.state === "succeeded") return "";
  const why = reasonText(verdict);
  const said = `${verdict.stage}: ${why === "" ? words(verdict.state) : why}`;
  const told = sentences([said], look);
  if (verdict.state !== "failed") return told;
  const logs = `legalone logs ${run.id} ${verdict.stage}`;
  const commands = [
    [logs, "what happened"],
    [`${logs} --stderr`, "what the worker wrote"],
  ];
  return `${told}\n${commandTable(commands, look)}`;
}

/** The delivered model, or the newest model of any stage where the run ended before delivery. */
function modelSection({ stages }: RunDetail): string {
  const artifacts = stages.flatMap((stage) =>
    stage.artifacts.map((artifact) => ({ artifact, stage: stage.name })),
  );
  const found =
    artifacts.findLast(({ artifact }) => artifact.kind === "delivery") ??
    artifacts.findLast(({ artifact }) => artifact.kind === "model");
  if (found === undefined) return "";
  const { artifact, stage } = found;
  const what = artifact.kind === "delivery" ? "Hugging Face folder" : `model of stage ${stage}`;
  return [
    placePath(workspace(), artifact.uri) ?? artifact.uri,
    `${what}, ${bytes(artifact.bytes)}, sha256 ${artifact.sha256.slice(0, 12)}`,
  ].join("\n");
}

function nextSection(detail: RunDetail, look: Look): string {
  const { run, stages } = detail;
  const delivered = stages.some((stage) => stage.artifacts.some((artifact) => artifact.kind === "delivery"));
  const commands = [
    ...afterEnd(detail),
    [`legalone report ${run.id}`, "all curves, gates and samples in one HTML file"],
    ...(delivered ? [[`legalone export ${run.id} --to ./model`, "copy the model out, hashes checked"]] : []),
    [`legalone lineage ${run.id}`, "what the model was made from"],
  ];
  return commandTable(commands, look);
}

/** Commands to copy, and what each is for. */
function commandTable(commands: string[][], look: Look): string {
  return table(
    [{ gives: "command" }, { gives: "below" }],
    commands.map(([command = "", about = ""]) => [command, look.colors.dim(about)]),
    look,
    2,
  );
}

/** What goes on after this end, by its cause: a repeat where one can help, otherwise what to change first. */
function afterEnd({ run, verdict, stages }: RunDetail): string[][] {
  if (verdict.state === "succeeded" || verdict.stage === null) return [];
  const ended = stages.find(({ name }) => name === verdict.stage);
  const step = ended?.checkpoint?.step ?? null;
  const resume = (when = "") => {
    const where = step === null ? `try ${verdict.stage} again from its beginning` : `go on from step ${step}`;
    return [`legalone resume ${run.id}`, `${when}${where}`];
  };
  const change = (what: string) => [
    `legalone train ${run.file}`,
    `with ${what} changed; what stays is skipped`,
  ];
  const fork = (what: string) => [
    `legalone fork ${run.id} ${run.file} --stage ${verdict.stage}`,
    `with ${what} changed, from step ${step}`,
  ];
  if (verdict.state === "gate_failed") return [change("options or data")];
  const reason = verdict.reason ?? "";
  if (reason === "timeout") return [resume("the time counts anew: ")];
  if (reason === "disk_full") return [["legalone gc", "make room first"], resume()];
  switch (ended?.cause) {
    case "USER":
    case "DATA":
      return step === null
        ? [change("what the message names")]
        : [change("what the message names"), resume("the same again: ")];
    case "NUMERIC":
      return [
        step === null
          ? change("options, such as the learning rate,")
          : fork("options, such as the learning rate,"),
      ];
    case "BUG":
      return [
        [`legalone debug bundle ${run.id}`, "what a report of a crash needs"],
        resume("when its code is mended: "),
      ];
    default:
      return [resume()];
  }
}

function section(title: string, body: string, { colors }: Look): string {
  return body === "" ? "" : `  ${colors.dim(title.toUpperCase())}\n${body}`;
}
