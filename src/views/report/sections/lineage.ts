import { lineageTree } from "../../lineage.ts";
import { plainLook } from "../../look.ts";
import { html } from "../html.ts";
import type { SectionView } from "../section.ts";

/** What the delivered model was made from, as `legalone lineage` tells it. */
export const lineageSection: SectionView = ({ lineage, now }) =>
  !lineage
    ? null
    : {
        id: "lineage",
        title: "Lineage",
        body: html`<p>What ${lineage.artifact.kind === "delivery" ? "the delivered model" : `the last output, ${lineage.artifact.kind} of ${lineage.stage},`} was made from, each with the stage that made it, its size and the beginning of its SHA-256.</p><pre>${lineageTree(lineage, plainLook(now))}</pre>`,
      };
