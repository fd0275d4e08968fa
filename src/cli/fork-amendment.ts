import type { ResolvedStage } from "../config/types.ts";
import { differences, shortValue } from "../core/differences.ts";
import { LegaloneError } from "../core/errors.ts";
import { canonicalJson } from "../core/hash.ts";
import type { OrderOptions, WrittenAmendment } from "../worker/pas-order/order-options.ts";

/** A change that a fork makes to the order of a stage. */
export interface ForkAmendment {
  /** `--set` that writes it into the pipeline. */
  set: string;
  /** What changed, for people. */
  told: string[];
}

const amendable = ["lambda", "hold", "weights"] as const;
/** What else an order is made from. */
const others = ["steps", "tokens", "batch", "schedule"] as const;

/**
 * The amendment that a fork from `step` means: PAS options that changed hold from there on, and the rows before stay those of
 * the old order. Where more of the order changed (batch, schedule, steps, seed) it is planned anew, and counts begin
 * again at `step`. null for a stage without an order, and where nothing of it changed.
 * @throws E_USAGE where the file itself rewrites what came before `step`
 */
export function forkAmendment(before: ResolvedStage, now: ResolvedStage, step: number): ForkAmendment | null {
  if (now.prepare?.entry !== "pas-order" || step === 0) return null;
  const was = before.with as unknown as OrderOptions;
  const is = now.with as unknown as OrderOptions;
  const planned = was.pas.amendments ?? [];
  const past = planned.filter((one) => one.step < step);
  const written = is.pas.amendments ?? [];
  if (
    !same(
      written.filter((one) => one.step < step),
      past,
    )
  ) {
    throw new LegaloneError(
      "E_USAGE",
      `pas.amendments before step ${step} are those of the old run and stay as they are; the file has others`,
      { hint: "change them from the step of the checkpoint on, or name an earlier --step" },
    );
  }
  const changed = amendable.filter((name) => !same(was.pas[name] ?? {}, is.pas[name] ?? {}));
  const replanned = others.filter((name) => !same(was[name] ?? null, is[name] ?? null));
  const seeded = !same(was.pas.seed ?? null, is.pas.seed ?? null);
  if (changed.length === 0 && replanned.length === 0 && !seeded) return null;
  const here = written.find((one) => one.step === step);
  const amendment: WrittenAmendment = {
    ...here,
    step,
    ...Object.fromEntries(changed.map((name) => [name, is.pas[name]])),
  };
  const later = written.filter((one) => one.step > step);
  const kept = Object.fromEntries(amendable.map((name) => [name, was.pas[name]]));
  const pas = { ...is.pas, ...kept, amendments: [...past, amendment, ...later] };
  return {
    set: `stages.${now.name}.with.pas=${JSON.stringify(pas)}`,
    told: [
      ...changed.flatMap((name) =>
        differences(was.pas[name], is.pas[name], `pas.${name}`).map(
          ({ path, before, after }) => `${path} ${shortValue(before)} -> ${shortValue(after)}`,
        ),
      ),
      ...replanned.map((name) => `${name} ${shortValue(was[name])} -> ${shortValue(is[name])}`),
      ...(seeded ? ["pas.seed"] : []),
    ],
  };
}

const same = (one: unknown, other: unknown) => canonicalJson(one) === canonicalJson(other);
