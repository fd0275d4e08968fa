import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { duration, words } from "../format.ts";
import { standIns } from "../stand-ins.ts";
import { verdictSentence } from "../verdict.ts";
import type { ReportData } from "./data.ts";
import { html, Markup, scriptJson } from "./html.ts";
import { type Plot, plotFigure } from "./plot.ts";
import { plotScript } from "./plot-script.ts";
import type { Section, SectionView } from "./section.ts";
import { armsSection } from "./sections/arms.ts";
import { corpusSection } from "./sections/corpus.ts";
import { environmentSection } from "./sections/environment.ts";
import { evaluationSection } from "./sections/evaluation.ts";
import { forgettingSection } from "./sections/forgetting.ts";
import { gateSection } from "./sections/gates.ts";
import { leadSection } from "./sections/lead.ts";
import { lineageSection } from "./sections/lineage.ts";
import { pasSection } from "./sections/pas.ts";
import { perplexitySection } from "./sections/perplexity.ts";
import { pipelineSection } from "./sections/pipeline.ts";
import { rlSection } from "./sections/rl.ts";
import { sampleSection } from "./sections/samples.ts";
import { stageSection } from "./sections/stages.ts";
import { trainingSection } from "./sections/training.ts";
import { style } from "./style.ts";

/** In the order of the page: what was decided first, then what was measured, then what it was made with. */
const views: SectionView[] = [
  gateSection,
  stageSection,
  armsSection,
  trainingSection,
  forgettingSection,
  corpusSection,
  perplexitySection,
  pasSection,
  leadSection,
  rlSection,
  evaluationSection,
  sampleSection,
  lineageSection,
  environmentSection,
  pipelineSection,
];

/** The whole report as one HTML file that needs no network. A section without data is left out. */
export function report(data: ReportData): string {
  const plots: Plot[] = [];
  const draw = (plot: Plot) => plotFigure(plot, (one) => plots.push(one) - 1);
  const sections = views.map((view) => view(data, draw)).filter((section) => section !== null);
  const { run } = data.detail;
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${run.pipeline} · ${run.id} · legalone</title>
<style>${new Markup(plots.length > 0 ? uplot("uPlot.min.css") : "")}${new Markup(style)}</style></head><body>
${header(data, sections)}
${sections.map((section) => html`<section id="${section.id}"><h2>${section.title}</h2>${section.body}</section>\n`)}
<footer>Written by legalone on ${data.now.toISOString().slice(0, 16).replace("T", " ")} UTC from the records of run ${run.id}.</footer>
${plots.length > 0 ? scripts(plots) : ""}</body></html>
`;
  return page.text;
}

function header(data: ReportData, sections: Section[]): Markup {
  const { run, verdict, stages } = data.detail;
  const tone = {
    succeeded: "good",
    failed: "bad",
    gate_failed: "bad",
    cancelled: "warn",
    running: "warn",
    waiting: "dim",
  }[verdict.state];
  const took =
    verdict.startedAt === null
      ? null
      : duration((verdict.endedAt ?? data.now).getTime() - verdict.startedAt.getTime());
  const said = verdictSentence(data.detail);
  const done = stages.filter((stage) => stage.state === "SUCCEEDED" || stage.state === "SKIPPED").length;
  return html`<header><h1>${run.pipeline} <span class="${tone}">${words(verdict.state)}</span></h1>
${said === "" ? "" : html`<p class="verdict">${said}</p>`}
<div class="facts"><span>run <b class="mono">${run.id}</b></span>${run.name === null ? "" : html`<span>name <b>${run.name}</b></span>`}${run.tags.length === 0 ? "" : html`<span>tags <b>${run.tags.join(", ")}</b></span>`}<span>started <b>${run.createdAt.toISOString().slice(0, 16).replace("T", " ")} UTC</b></span>
${took === null ? "" : html`<span>took <b>${took}</b></span>`}<span>stages <b>${done} of ${stages.length}</b></span><span>configuration <b class="mono">${run.configHash.slice(0, 12)}</b></span>${data.commit ? html`<span>legalone at commit <b class="mono">${data.commit}</b></span>` : ""}</div>
${verdict.stage === null ? "" : html`<p class="bad">${verdict.stage}: ${words(verdict.reason ?? "")}${verdict.message === null ? "" : `: ${verdict.message}`}</p>`}
${run.note === null ? "" : html`<p class="note" style="white-space:pre-line">${run.note}</p>`}
${standInNote(data)}
<nav>${sections.map((section) => html`<a href="#${section.id}">${section.title}</a>`)}</nav></header>`;
}

function standInNote(data: ReportData): Markup | null {
  const found = standIns(data.detail);
  if (found.length === 0) return null;
  const names = [...new Set(found.map((one) => `“${one.name}”`))];
  const where = [...new Set(found.map((one) => one.stage))];
  return html`<p class="note"><b>Stand-ins were used.</b> ${names.join(" and ")} answered in place of a model in ${where.join(", ")}. What was trained on these answers shows that the pipeline works, not what a real teacher would give.</p>`;
}

function scripts(plots: Plot[]): Markup {
  return html`<script type="application/json" id="plots">${scriptJson(plots)}</script>
<script>${new Markup(uplot("uPlot.iife.min.js"))}</script><script>${new Markup(plotScript)}</script>`;
}

function uplot(file: string): string {
  const entry = createRequire(import.meta.url).resolve("uplot");
  return readFileSync(join(dirname(entry), file), "utf8");
}
