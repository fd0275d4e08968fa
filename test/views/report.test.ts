import { describe, expect, test } from "vitest";
import type { ReportData } from "../../src/views/report/data.ts";
import { emptyStage } from "../../src/views/report/empty-stage.ts";
import { plotScript } from "../../src/views/report/plot-script.ts";
import { report } from "../../src/views/report/report.ts";
import { curve, demoRun, sentence } from "./demo-rows.ts";
import { artifactRow, at, runDetail, stageRow } from "./rows.ts";

function reportData(): ReportData {
  const detail = demoRun();
  const stages = detail.stages.map(emptyStage);
  for (const stage of stages) {
    if (["base", "midtrain", "sft"].includes(stage.row.name))
      stage.series = [curve("loss", 350, 7.4, 5.9), curve("lr", 350, 3e-3, 1e-4, 0)];
  }
  return { detail, stages, nodes: [], now: at(500) };
}

const sectionIds = (page: string) => [...page.matchAll(/<section id="([^"]+)">/g)].map((match) => match[1]);
const plotsIn = (page: string) =>
  JSON.parse(page.match(/<script type="application\/json" id="plots">(.*?)<\/script>/s)?.[1] ?? "[]");

describe("report", () => {
  test("is one file that names no other address", () => {
    const page = report(reportData());
    expect(page).not.toMatch(/(src|href)="(?!#)/);
    expect(page).not.toMatch(/@import|url\(/);
    expect(page.length).toBeLessThan(2_000_000);
  });

  test("has a section for what was measured and none for what was not", () => {
    const page = report(reportData());
    expect(sectionIds(page)).toEqual([
      "gates",
      "stages",
      "training",
      "forgetting",
      "rl",
      "environment",
      "pipeline",
    ]);
    for (const id of sectionIds(page)) expect(page).toContain(`<a href="#${id}">`);
  });

  test("of a run that has not begun shows its stages and needs no script", () => {
    const detail = runDetail([stageRow("corpus"), stageRow("base")]);
    const page = report({ detail, stages: detail.stages.map(emptyStage), nodes: [], now: at(1) });
    expect(sectionIds(page)).toEqual(["stages", "environment", "pipeline"]);
    expect(page).not.toContain("<script");
  });

  test("every plot's place is in the page, and curves are as long as their axis", () => {
    const page = report(reportData());
    const plots = plotsIn(page) as { x: { values: number[] }; curves: { values: number[] }[] }[];
    expect(plots).toHaveLength(6);
    plots.forEach((plot, i) => {
      expect(page).toContain(`data-plot="${i}"`);
      for (const one of plot.curves) expect(one.values).toHaveLength(plot.x.values.length);
    });
  });

  test("gates show value, interval, threshold and verdict", () => {
    const page = report(reportData());
    const row = page.match(/<tr><td[^>]*>midtrain<\/td><td[^>]*>legal ppl<\/td>.*?<\/tr>/s)?.[0] ?? "";
    expect(row).toContain("244.1");
    expect(row).toContain("233.9 – 254.8");
    expect(row).toContain("&#60; 365.2");
    expect(row).toContain("base legal ppl");
    expect(row).toContain("(352 – 379)");
    expect(row).toContain("holds");
  });

  test("forgetting is told stage after stage", () => {
    const page = report(reportData());
    expect(page).toContain("-33.2%");
    expect(page).toMatch(/<td[^>]*>sft<\/td><td data-title="Perplexity" class="n">271\.4<\/td>/);
    expect(page).toContain("+11.2%");
  });

  test("every cell has its column's title for narrow pages, where rows are blocks", () => {
    const page = report(reportData());
    expect(page.match(/<td(?! data-title=)/g)).toBeNull();
    expect(page).toContain('<td data-title="Interval" class="n">233.9 – 254.8</td>');
    expect(page).toMatch(/@media \(max-width:600px\)[^@]*\.scroll td::before\{content:attr\(data-title\)/);
  });

  test("lineage and commit are told where they are recorded", () => {
    const data = reportData();
    const parent = {
      artifact: artifactRow("rk2m9x4t7a-base-g1", "model"),
      stage: "base",
      kind: "base",
      parents: [],
    };
    const root = { ...parent, artifact: artifactRow("rk2m9x4t7a-export-g1", "delivery"), stage: "export" };
    const page = report({ ...data, lineage: { ...root, parents: [parent] }, commit: "0123456789ab-dirty" });
    expect(sectionIds(page)).toContain("lineage");
    expect(page).toContain("└─ model  by base, 4.9 MB, 5f2d9c1e5f2d");
    expect(page).toContain("0123456789ab-dirty");
    expect(report(data)).not.toContain("legalone at commit");
  });

  test("begins with the sentence on the model", () => {
    const page = report(reportData());
    expect(page.indexOf(sentence)).toBeGreaterThan(page.indexOf("<h1>"));
    expect(page.indexOf(sentence)).toBeLessThan(page.indexOf('class="facts"'));
  });

  test("a small rate is written as it is, on the page and by the page's own script", () => {
    const format = /const number = ([\s\S]*?);\n {2}const ticks/.exec(plotScript)![1]!;
    const run = new Function(`return (${format})`)() as (value: number) => string;
    expect([0.0015, 0.00205, 2e-5, 12.345, 0.5, 3].map(run)).toEqual([
      "0.0015",
      "0.00205",
      "2.00e-5",
      "12.35",
      "0.500",
      "3",
    ]);
  });

  test("the numbers of an axis have as many decimals each, and as many as they need", () => {
    const format = /const ticks = ([\s\S]*?);\n {2}const shorten/.exec(plotScript)![1]!;
    const run = new Function(`return (${format})`)() as (values: (number | null)[]) => string[];
    expect(run([4.5, 5, 5.5, 6])).toEqual(["4.5", "5.0", "5.5", "6.0"]);
    expect(run([0, 0.0005, 0.001, 0.0015])).toEqual(["0", "0.0005", "0.0010", "0.0015"]);
    expect(run([0.6000000000000001, 0.65, null, 100])).toEqual(["0.60", "0.65", "", "100.00"]);
    expect(run([10, 1000])).toEqual(["10", "1000"]);
    expect(run([0, 2e-5, 4e-5])).toEqual(["0", "2.0e-5", "4.0e-5"]);
  });

  test("stand-ins stand at the top", () => {
    const page = report(reportData());
    expect(page.indexOf("Stand-ins were used")).toBeGreaterThan(0);
    expect(page.indexOf("Stand-ins were used")).toBeLessThan(page.indexOf("<section"));
    expect(page).toContain("scripted-teacher");
  });

  test("text from files cannot become markup or end a script", () => {
    const data = reportData();
    data.detail.run.written = `</pre><script>alert("x")</script>`;
    data.stages[0]!.files["corpus/report.json"] = {
      sources: [{ name: "<b>", samples: { too_short: [{ title: "</script>", excerpt: "<img>" }] } }],
    };
    data.stages[1]!.series = [{ ...curve("loss", 20, 2, 1), name: "loss" }];
    data.stages[1]!.row.name = "</script><script>alert(1)";
    const page = report(data);
    expect(page).not.toContain('alert("x")');
    expect(page).not.toContain("<img>");
    expect(page).not.toContain("</script><script>alert(1)");
    expect(page.match(/<\/script>/g)).toHaveLength(3);
  });
});
