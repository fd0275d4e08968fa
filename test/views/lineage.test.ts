import { expect, test } from "vitest";
import type { Lineage } from "../../src/records/reads/lineage.ts";
import { lineageJson, lineageTree } from "../../src/views/lineage.ts";
import { artifactRow, at, plainLook } from "./rows.ts";

function node(stage: string, kind: string, parents: Lineage[] = [], goneAt: Date | null = null): Lineage {
  return { artifact: artifactRow(stage, kind, { goneAt }), stage, kind: stage, parents };
}

const corpus = node("corpus", "corpus", [], at(9));
const base = node("base", "model", [corpus]);
const tree = node("export", "delivery", [
  node("midtrain", "model", [base, node("perplexity", "packed", [corpus, base])]),
]);

test("what was shown once is named again and not opened again; what is gone is marked", () => {
  expect(
    lineageTree(tree, plainLook)
      .split("\n")
      .map((line) => line.replace(/, 4\.9 MB, \w+/, "")),
  ).toEqual([
    "delivery  by export",
    "└─ model  by midtrain",
    "   ├─ model  by base",
    "   │  └─ corpus  by corpus  gone",
    "   └─ packed  by perplexity",
    "      ├─ corpus  by corpus  gone",
    "      └─ model  by base  (above)",
  ]);
});

test("as JSON the tree is nested", () => {
  expect(lineageJson(base)).toMatchObject({
    kind: "model",
    stage: "base",
    bytes: 4_912_345,
    parents: [{ kind: "corpus", parents: [] }],
  });
});

test("a model of a fork says where it left the order, and which order it followed from there", () => {
  const forked = {
    step: 200,
    changed: [
      "options.pas.amendments was [] and is [{'step': 200, 'lambda': 8}]",
      "orderSha256 was a and is b",
    ],
    orderSha256: "aa".repeat(32),
    newOrderSha256: "bb".repeat(32),
  };
  const model = node("midtrain", "model");
  model.artifact = { ...model.artifact, meta: { parameters: 1, forked } };
  expect(lineageTree(model, plainLook)).toMatch(
    / {2}amended at step 200: options\.pas\.amendments was \[\] and is \[\{'step': 200, 'lambda': 8\}\]; order aaaaaaaaaaaa -> bbbbbbbbbbbb$/,
  );
  expect(lineageJson(model)).toMatchObject({ forked });
});
