import { passWarnings, planOrder } from "../../recipe/order.ts";
import { lookOf } from "../../views/look.ts";
import { pasView } from "../../views/pas.ts";
import { checkPasses } from "../../worker/pas-order/order-options.ts";
import { type PasSourceOptions, readPasSource } from "../pas-source.ts";
import { print } from "./output.ts";

/** Prints the order of a bare spec or of a pipeline, step by step as JSON or drawn for a terminal. */
export async function previewPas(
  file: string,
  options: PasSourceOptions & { json?: boolean },
): Promise<void> {
  const source = await readPasSource(file, options);
  const { spec, from, assumed } = source;
  const { steps, passes, orderSha256 } = planOrder(spec);
  const total = spec.cells.reduce((sum, { weight }) => sum + weight, 0);
  const cells = spec.cells.map((cell) => ({ ...cell, weight: cell.weight / total }));
  const warnings = assumed ? [] : passWarnings(cells, passes);
  if (options.json) {
    const told = source.packed === null && !assumed ? {} : { from, assumed, warnings };
    print(JSON.stringify({ cells, schedule: steps, passes, orderSha256, ...told }));
  } else {
    print(
      await pasView(
        { cells, steps, passes, orderSha256, from, assumed, warnings, batch: spec.batch },
        lookOf(process.stdout),
      ),
    );
  }
  if (!assumed) checkPasses(spec, passes, source.maxPasses);
}
