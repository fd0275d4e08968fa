import { html } from "../html.ts";
import type { SectionView } from "../section.ts";

/** The pipeline file as it was written, so that the report alone can start the run again. */
export const pipelineSection: SectionView = ({ detail }) => {
  const { run } = detail;
  if (run.written === "") return null;
  return {
    id: "pipeline",
    title: "Pipeline file",
    body: html`<p class="dim mono">${run.file}</p><details><summary>Show the file</summary><pre>${run.written}</pre></details>`,
  };
};
