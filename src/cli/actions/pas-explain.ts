import { LegaloneError } from "../../core/errors.ts";
import { type OrderSpec, type StepPlan, streamOrder } from "../../recipe/order.ts";
import { segmentAt, segmentsOf } from "../../recipe/segments.ts";
import { lookOf } from "../../views/look.ts";
import { pasStepView } from "../../views/pas-step.ts";
import { documentsOf } from "../../worker/pas-order/entry-documents.ts";
import { type PasSourceOptions, readPasSource } from "../pas-source.ts";
import { print } from "./output.ts";

/** Prints one step of an order: its formula with numbers, its sequences, and each cell's distance from its target. */
export async function explainPas(
  file: string | undefined,
  options: PasSourceOptions & { json?: boolean; step: number },
): Promise<void> {
  const { spec, packed, folders, from, assumed } = await readPasSource(file, options);
  if (options.step >= spec.steps) {
    throw new LegaloneError(
      "E_USAGE",
      `there is no step ${options.step}; the order has steps 0 to ${spec.steps - 1}`,
    );
  }
  const segment = segmentAt(segmentsOf(spec), options.step);
  const { plan, drawn, target, taken } = stepOf(spec, segment.from, options.step);
  const { lr, alpha, p, count } = plan;
  const rows = packed && drawn.map((mine, i) => mine.map((index) => packed.cells[i]!.first + index));
  const wanted = (rows ?? []).flatMap((mine, i) => mine.map((row) => ({ ...segment.cells[i]!, row })));
  const named = packed && (await documentsOf(wanted, folders, packed));
  const documents = named && drawn.map((mine) => named.splice(0, mine.length));
  const cells = segment.cells.map(({ group, band, weight }, i) => ({
    group,
    band,
    weight,
    anchor: band === "low" ? segment.lambda * (1 - alpha) : 0,
    p: p[i]!,
    count: count[i]!,
    deficit: target[i]! - p[i]! * spec.batch - (taken[i]! - count[i]!),
    target: target[i]!,
    taken: taken[i]!,
    indices: drawn[i]!,
    rows: rows && rows[i]!,
    documents: documents && documents[i]!,
  }));
  const explained = {
    step: options.step,
    lr,
    alpha,
    segment: { from: segment.from, to: segment.to },
    lambda: segment.lambda,
    hold: segment.hold,
    batch: spec.batch,
    cells,
    from,
    assumed,
  };
  print(options.json ? JSON.stringify(explained) : pasStepView(explained, lookOf(process.stdout)));
}

/** One step of an order, with counts and targets of its segment up to its end. */
function stepOf(spec: OrderSpec, from: number, wanted: number) {
  const none = () => new Array<number>(spec.cells.length).fill(0);
  const [target, taken] = [none(), none()];
  const drawn: number[][] = spec.cells.map(() => []);
  let plan: StepPlan | null = null;
  streamOrder(spec, (pairs, now) => {
    if (now.step < from || now.step > wanted) return;
    for (const [i, count] of now.count.entries()) {
      taken[i]! += count;
      target[i]! += now.p[i]! * spec.batch;
    }
    if (now.step < wanted) return;
    plan = now;
    for (let i = 0; i < pairs.length; i += 2) drawn[pairs[i]!]!.push(pairs[i + 1]!);
  });
  return { plan: plan as unknown as StepPlan, drawn, target, taken };
}
