import { awayOf } from "../../../records/reads/nodes.ts";
import { bytes } from "../../format.ts";
import type { ReportData } from "../data.ts";
import { html, htmlTable } from "../html.ts";
import type { SectionView } from "../section.ts";

/** What the run was made with: nodes, versions, seed and code of every stage. */
export const environmentSection: SectionView = (data) => {
  const versions = versionRows(data);
  const nodes = data.nodes.map((node) => [
    node.id,
    [...node.engines, ...awayOf(node).map(({ engine }) => `${engine} (away)`)].join(", "),
    node.npus === 0 ? "CPU" : `${node.npus} NPUs`,
    Object.entries(node.info !== null && typeof node.info === "object" ? node.info : {})
      .filter(([, value]) => typeof value !== "object")
      .map(([key, value]) =>
        key.endsWith("Bytes") ? `${key.slice(0, -5)} ${bytes(Number(value))}` : `${key} ${value}`,
      )
      .join(" · "),
  ]);
  return {
    id: "environment",
    title: "Environment",
    body: html`${nodes.length === 0 ? "" : htmlTable([{ title: "Node" }, { title: "Engines" }, { title: "Devices" }, { title: "" }], nodes)}
${versions.length === 0 ? "" : html`<h3>Workers</h3>${htmlTable([{ title: "Stages" }, { title: "Versions" }], versions)}`}
<h3>Code and inputs</h3>${htmlTable(
      [
        { title: "Stage" },
        { title: "Code" },
        { title: "Cache key" },
        { title: "Node" },
        { title: "Attempt" },
      ],
      data.stages.map(({ row, attempts }) => {
        const last = attempts.at(-1);
        return [
          row.name,
          code(row.codeHash),
          code(row.cacheKey),
          last?.nodeId ?? "",
          last === undefined ? "" : html`<code>${last.id}</code>`,
        ];
      }),
    )}`,
  };
};

function code(hash: string | null) {
  return hash === null ? "" : html`<code>${hash.slice(0, 12)}</code>`;
}

/** Workers of one environment say the same: they share a row. */
function versionRows({ stages }: ReportData): string[][] {
  const byText = new Map<string, string[]>();
  for (const { row, versions } of stages) {
    const text = Object.entries(versions)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(" · ");
    if (text !== "") byText.set(text, [...(byText.get(text) ?? []), row.name]);
  }
  return [...byText].map(([text, names]) => [names.join(", "), text]);
}
