import type { ResolvedPipeline, ResolvedStage } from "../config/types.ts";
import { LegaloneError } from "../core/errors.ts";
import { listed, unknownName } from "../core/suggest.ts";

/** How the one who asks is told of a choice that is not clear. */
export interface OrderedStageWords {
  /** Whose stages they are. */
  of: string;
  /** Next step where there are several, in place of a word on --stage. `first` is the first of them. */
  several?: (first: string) => string;
}

/** The stage of a pipeline that follows a planned order: the one named `wanted`, or the only one. @throws E_USAGE */
export function orderedStage(
  pipeline: ResolvedPipeline,
  wanted: string | undefined,
  { of, several }: OrderedStageWords,
): ResolvedStage {
  const stages = pipeline.stages.filter(({ prepare }) => prepare?.entry === "pas-order");
  const names = stages.map(({ name }) => name);
  const [first] = stages;
  if (!first)
    throw new LegaloneError("E_USAGE", `${of} has no stage with an order`, {
      hint: "the stage kind `midtrain` has one",
    });
  if (wanted === undefined && stages.length > 1)
    throw new LegaloneError("E_USAGE", `${of} has several stages with an order: ${listed(names)}`, {
      hint: several?.(first.name) ?? "name one with --stage",
    });
  const stage = wanted === undefined ? first : stages.find(({ name }) => name === wanted);
  if (stage) return stage;
  throw unknownName("E_USAGE", `stage with an order of ${of}`, wanted ?? "", names);
}
