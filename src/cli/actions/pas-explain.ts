import { LegaloneError } from "../../core/errors.ts";
import { planOrder } from "../../recipe/order.ts";
import { lookOf } from "../../views/look.ts";
import { pasStepView } from "../../views/pas-step.ts";
import { type PasSourceOptions, readPasSource } from "../pas-source.ts";
import { print } from "./output.ts";

/** Prints one step of an order: its formula with numbers, its sequences, and each cell's distance from its target. */
export async function explainPas(
  file: string,
  options: PasSourceOptions & { json?: boolean; step: number },
): Promise<void> {
  const { spec, packed, from, assumed } = await readPasSource(file, options);
  if (options.step >= spec.steps) {
    throw new LegaloneError(
      "E_USAGE",
      `there is no step ${options.step}; the order has steps 0 to ${spec.steps - 1}`,
    );
  }
  const drawn: number[][] = spec.cells.map(() => []);
  const { steps } = planOrder(spec, (pairs, { step }) => {
    if (step !== options.step) return;
    for (let i = 0; i < pairs.length; i += 2) drawn[pairs[i]!]!.push(pairs[i + 1]!);
  });
  const until = steps.slice(0, options.step + 1);
  const total = spec.cells.reduce((sum, { weight }) => sum + weight, 0);
  const { lr, alpha, p, count } = steps[options.step]!;
  const cells = spec.cells.map(({ group, band, weight }, i) => {
    const target = until.reduce((sum, step) => sum + step.p[i]! * spec.batch, 0);
    const taken = until.reduce((sum, step) => sum + step.count[i]!, 0);
    const anchor = band === "low" ? spec.lambda * (1 - alpha) : 0;
    return {
      group,
      band,
      weight: weight / total,
      anchor,
      p: p[i]!,
      count: count[i]!,
      target,
      taken,
      indices: drawn[i]!,
      rows: packed && drawn[i]!.map((index) => packed.cells[i]!.first + index),
    };
  });
  const explained = {
    step: options.step,
    lr,
    alpha,
    lambda: spec.lambda,
    hold: spec.hold,
    batch: spec.batch,
    cells,
    from,
    assumed,
  };
  print(options.json ? JSON.stringify(explained) : pasStepView(explained, lookOf(process.stdout)));
}
