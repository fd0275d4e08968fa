import type { Series } from "../../src/records/reads/metrics.ts";
import type { RunDetail } from "../../src/records/reads/runs.ts";
import type { StageRow } from "../../src/records/reads/stages.ts";
import { artifactRow, doneStage, gateRow, runDetail } from "./rows.ts";

/** The demo as it ends: twelve stages with numbers of the size that a laptop gives. */
export function demoRun(): RunDetail {
  const teacher = { teacher: { name: "scripted-teacher", revision: "1", stand_in: true } };
  const base = doneStage("base", 12, 115, {
    heldout_loss_before: 8.412,
    heldout_loss_after: 6.021,
    heldout_loss_after_lo: 5.98,
    heldout_loss_after_hi: 6.06,
    legal_ppl: 365.2,
    legal_ppl_lo: 352,
    legal_ppl_hi: 379,
    general_ppl: 441.3,
    general_ppl_lo: 430.2,
    general_ppl_hi: 452.5,
  });
  const midtrain = doneStage("midtrain", 146, 210, {
    heldout_loss_before: 5.91,
    heldout_loss_after: 5.48,
    heldout_loss_after_lo: 5.44,
    heldout_loss_after_hi: 5.52,
    legal_ppl: 244.1,
    legal_ppl_lo: 233.9,
    legal_ppl_hi: 254.8,
    general_ppl: 432.8,
    general_ppl_lo: 421.9,
    general_ppl_hi: 444.1,
  });
  const sft = doneStage("sft", 222, 262, {
    think_share: 0.98,
    heldout_loss_before: 4.2,
    heldout_loss_after: 2.1,
    legal_ppl: 271.4,
    legal_ppl_lo: 260.1,
    legal_ppl_hi: 283,
    general_ppl: 455.9,
    general_ppl_lo: 443.8,
    general_ppl_hi: 468,
  });
  const rl = doneStage("rl", 262, 395, {
    memorisation_reward_before: 0.48,
    memorisation_reward_before_lo: 0.41,
    memorisation_reward_before_hi: 0.55,
    memorisation_reward_after: 0.75,
    memorisation_reward_after_lo: 0.69,
    memorisation_reward_after_hi: 0.8,
    memorisation_heldout_before: 0.21,
    memorisation_heldout_after: 0.2,
    choice_reward_before: 0.27,
    choice_reward_after: 0.56,
    choice_heldout_before: 0.25,
    choice_heldout_after: 0.24,
    legal_ppl: 273.9,
    general_ppl: 459.2,
  });
  const stages: StageRow[] = [
    doneStage("corpus", 0, 12, { documents: 6120, kept_share: 0.83 }),
    with_(base, {}),
    doneStage("perplexity", 115, 146, { sequences: 5012, documents: 4500 }),
    with_(midtrain, {
      gates: [
        gateRow(midtrain.id),
        gateRow(midtrain.id, {
          metric: "heldout_loss_after",
          against: "midtrain.heldout_loss_before",
          value: 5.48,
          threshold: 5.91,
        }),
      ],
    }),
    doneStage("lead-prompts", 210, 212, { prompts: 1850 }),
    standIn(doneStage("lead-synthesize", 212, 216, { trajectories: 1850 }), "trajectories", teacher),
    standIn(doneStage("lead-refine", 216, 219, { refined: 1790 }), "refined", teacher),
    standIn(doneStage("lead-judge", 219, 222, { samples: 1702, kept_share: 0.92 }), "samples", teacher),
    with_(sft, {
      gates: [
        gateRow(sft.id, {
          metric: "think_share",
          comparison: "at_least",
          against: "0.5",
          value: 0.98,
          threshold: 0.5,
        }),
      ],
    }),
    with_(rl, {
      gates: [
        gateRow(rl.id, {
          metric: "memorisation_reward_after",
          comparison: "above",
          against: "rl.memorisation_reward_before",
          value: 0.75,
          threshold: 0.48,
        }),
      ],
    }),
    withVerdict(
      doneStage("eval", 395, 440, {
        heldout_charge_choice_before: 0,
        heldout_charge_choice_after: 26.5625,
        heldout_charge_choice_gain: 26.5625,
        heldout_charge_choice_chance: 25,
        rl_heldout_charge_choice: 26.5625,
        items: 512,
        tasks: 7,
      }),
    ),
  ];
  const delivery = doneStage("export", 440, 443, { parameters: 1_210_000 });
  return runDetail([...stages, { ...delivery, artifacts: [artifactRow(delivery.id, "delivery")] }]);
}

/** What stages/_worker/verdict.py writes, shortened. */
export const sentence =
  "The delivered model (rl) is neither better nor worse than its base (base) in any of 1 tasks (percent, 95 % intervals over all tasks together), as far as can be told.";

function withVerdict(stage: StageRow): StageRow {
  const result = { ...(stage.result as object), summary: { verdict: { sentence } } };
  return { ...stage, result };
}

function with_(stage: StageRow, given: Partial<StageRow>): StageRow {
  return { ...stage, artifacts: [artifactRow(stage.id, "model")], ...given };
}

function standIn(stage: StageRow, kind: string, meta: object): StageRow {
  return { ...stage, artifacts: [artifactRow(stage.id, kind, { meta: meta as never })] };
}

/** A curve that falls from `from` to `to` with the noise of batches; the noise is a fixed function of the step. */
export function curve(name: string, steps: number, from: number, to: number, noise = 0.04): Series {
  const points = Array.from({ length: steps }, (_, step) => {
    const value =
      to +
      (from - to) * Math.exp((-4 * step) / steps) +
      noise * (from - to) * Math.sin(step * 12.9898) * Math.cos(step * 4.1414);
    return { step: step + 1, value, low: value, high: value };
  });
  return { name, shard: 0, points };
}
