import { didYouMean, listed } from "../core/suggest.ts";
import { isObject } from "./annotations.ts";
import type { Path, Problem } from "./form/problem.ts";
import { problemAt, type YamlSource } from "./form/yaml-source.ts";
import type { Json, JsonObject, ResolvedStage } from "./types.ts";

// What a corpus cannot give is known from the rules of its sources, before a row of them is read.

const splits = ["base", "train", "heldout"] as const;
type Split = (typeof splits)[number];

interface Source {
  name: string;
  group: string;
  split?: { heldout?: { share?: number; where?: { [column: string]: Json[] } }; base?: number };
}

/** A corpus whose sources are known here, as a stage reads it. */
interface Corpus {
  /** Name of the stage that makes it. */
  stage: string;
  /** What its rules are called in messages. */
  rules: string;
  /** Splits that every group of it must have. */
  required: Split[];
  /** Groups of its sources. */
  own: Set<string>;
  /** Groups that may have documents, by split; those of synthetic stages beside it among them. */
  groups: Record<Split, Set<string>>;
}

/** Splits that no source can give, and groups and splits that stages ask of a corpus that cannot have them. */
export function corpusProblems(stages: readonly ResolvedStage[], source: YamlSource): Problem[] {
  return stages.flatMap((stage) => {
    const at = ["stages", stage.name, "with"];
    const own = splitProblems(stage, source, [...at, "corpus"]);
    const corpus = corpusOf(stage, stages);
    if (corpus === null) return own;
    return [
      ...own,
      ...neededProblems(stage, corpus, source, at),
      ...groupOptions(stage).flatMap(({ path, split, groups }) =>
        groupProblems(groups, split, corpus, source, [...at, ...path]),
      ),
    ];
  });
}

/** Whether a rule lets documents into a split. A share below 1 leaves some, a `where` may take all or none. */
function gives({ split }: Source, wanted: Split): boolean {
  const { share = 0, where = {} } = split?.heldout ?? {};
  const base = split?.base ?? 0;
  if (wanted === "heldout") return share > 0 || Object.values(where).some((values) => values.length > 0);
  return share < 1 && (wanted === "base" ? base > 0 : base < 1);
}

/** null for a kind that calls something else its corpus. */
function sourcesOf({ with: { corpus } }: ResolvedStage): { config: JsonObject; sources: Source[] } | null {
  if (!isObject(corpus) || !Array.isArray(corpus.sources)) return null;
  if (!corpus.sources.every((one) => isObject(one) && typeof one.group === "string")) return null;
  return { config: corpus, sources: corpus.sources as unknown as Source[] };
}

/** Splits that every group of the corpus must have, and no source of a group can give. */
function splitProblems(stage: ResolvedStage, source: YamlSource, at: Path): Problem[] {
  const made = sourcesOf(stage);
  if (made === null) return [];
  const required = requiredSplits(made.config);
  const groups = [...new Set(made.sources.map(({ group }) => group))];
  return groups.flatMap((group) => {
    const mine = made.sources.filter((one) => one.group === group);
    return required
      .filter((split) => !mine.some((one) => gives(one, split)))
      .map((split) =>
        problemAt(source, at, `no source of the group ${group} can give documents to the split ${split}`, {
          expected: `${remedies[split]} in one of ${mine.map(({ name }) => name).join(", ")}`,
          hint: `or take ${split} out of required_splits of ${rulesOf(made.config)}`,
        }),
      );
  });
}

function requiredSplits({ required_splits: required }: JsonObject): Split[] {
  const named = Array.isArray(required) ? required : ["train", "heldout"];
  return splits.filter((split) => named.includes(split));
}

const remedies: Record<Split, string> = {
  base: "`split.base` above 0, and `split.heldout.share` below 1,",
  train: "`split.base` and `split.heldout.share` below 1",
  heldout: "`split.heldout` with a share above 0, or with a `where`,",
};

function rulesOf({ name }: JsonObject): string {
  return name === "inline" ? "the corpus" : `configs/corpora/${name}.yaml`;
}

/** The corpus that a stage is bound to; null where it has none, or one of a kind whose sources are not known here. */
function corpusOf(stage: ResolvedStage, stages: readonly ResolvedStage[]): Corpus | null {
  const maker = stages.find(({ name }) =>
    stage.inputs.some((one) => one.kind === "corpus" && one.stage === name),
  );
  const made = maker && sourcesOf(maker);
  if (!maker || !made) return null;
  const groups = Object.fromEntries(
    splits.map((split) => [
      split,
      new Set(made.sources.filter((one) => gives(one, split)).map(({ group }) => group)),
    ]),
  ) as Corpus["groups"];
  if (stage.inputs.some(({ kind }) => kind === "synthetic")) groups.train.add("synthetic");
  return {
    stage: maker.name,
    rules: rulesOf(made.config),
    required: requiredSplits(made.config),
    own: new Set(made.sources.map(({ group }) => group)),
    groups,
  };
}

/** Documents without which the worker of a kind refuses a corpus. */
const needed: Record<string, { split: Split; groups: string[]; what: string }[]> = {
  ...Object.fromEntries(
    ["base", "midtrain", "sft", "rl", "eval"].map((kind) => [
      kind,
      [{ split: "heldout", groups: ["legal", "general"], what: "measures perplexity on" }],
    ]),
  ),
  "lead-prompts": (["train", "heldout"] as const).map((split) => ({
    ...{ split, groups: ["legal"], what: "makes its questions of" },
  })),
  synthetic: [{ split: "train", groups: ["legal"], what: "writes from" }],
};

function neededProblems(stage: ResolvedStage, corpus: Corpus, source: YamlSource, at: Path): Problem[] {
  const { required, own } = corpus;
  const lacks = (needed[stage.kind] ?? []).flatMap(({ split, groups, what }) =>
    groups
      // A group that is there, and whose split is required, is told where the corpus is.
      .filter((group) => !corpus.groups[split].has(group) && !(own.has(group) && required.includes(split)))
      .map((group) =>
        problemAt(
          source,
          [...at, "heldout"],
          `${stage.name} ${what} documents of ${group} in the split ${split}, and ${corpus.stage} has none`,
          {
            expected: `a source of ${group} with ${remedies[split].replace(/,$/, "")}`,
            hint: `its sources stand in ${corpus.rules}`,
          },
        ),
      ),
  );
  if (stage.kind !== "base" || corpus.groups.base.size > 0) return lacks;
  return [
    ...lacks,
    problemAt(
      source,
      at,
      `${stage.name} trains on the split base, and no source of ${corpus.stage} gives to it`,
      {
        expected: "`split.base` above 0 in a source of every group of `shares`",
        hint: `its sources stand in ${corpus.rules}`,
      },
    ),
  ];
}

interface GroupOption {
  path: Path;
  split: Split;
  /** The groups it names, those that it gives nothing left out. */
  groups: string[];
}

/** Options that name groups of the corpus. */
function groupOptions({ kind, with: options }: ResolvedStage): GroupOption[] {
  const { replay, documents, shares } = options;
  const named = (value: Json | undefined): string[] =>
    isObject(value) ? Object.keys(value).filter((group) => value[group] !== 0) : [];
  if ((kind === "sft" || kind === "rl") && isObject(replay) && Number(replay.share) > 0)
    return [{ path: ["replay", "groups"], split: "train", groups: named(replay.groups) }];
  if (kind === "perplexity") return [{ path: ["documents"], split: "train", groups: named(documents) }];
  if (kind === "base") return [{ path: ["shares"], split: "base", groups: named(shares) }];
  return [];
}

function groupProblems(
  groups: readonly string[],
  split: Split,
  { stage, rules, groups: there }: Corpus,
  source: YamlSource,
  at: Path,
): Problem[] {
  // A base that finds nothing at all is told so once.
  if (split === "base" && there.base.size === 0) return [];
  return groups
    .filter((group) => !there[split].has(group))
    .map((group) =>
      problemAt(
        source,
        [...at, group],
        `${stage} has no documents of the group ${group} in the split ${split}`,
        {
          expected: `one of ${listed([...there[split]].sort())}`,
          hint: `${didYouMean(group, [...there[split]]) ?? "take it out, or add a source of it:"} the sources stand in ${rules}`,
        },
      ),
    );
}

/** Groups whose documents are packed for a mid-training, where they are known: those that its weights may name. */
export function packedGroups(stage: ResolvedStage, stages: readonly ResolvedStage[]): Set<string> | null {
  const packer = stages.find(({ name }) =>
    stage.inputs.some((one) => one.kind === "packed" && one.stage === name),
  );
  return (packer && corpusOf(packer, stages))?.groups.train ?? null;
}
