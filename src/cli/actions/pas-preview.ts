import { writeFileSync } from "node:fs";
import { ExitCode } from "../../core/errors.ts";
import { passWarnings, planOrder } from "../../recipe/order.ts";
import { segmentsOf } from "../../recipe/segments.ts";
import { lookOf } from "../../views/look.ts";
import { pasView } from "../../views/pas.ts";
import { pasSvg } from "../../views/pas-svg.ts";
import { passesOver, refusePasses } from "../../worker/pas-order/order-options.ts";
import { type PasSourceOptions, readPasSource } from "../pas-source.ts";
import { note, print } from "./output.ts";

/**
 * Prints the order of a bare spec or of a pipeline, step by step as JSON or drawn for a terminal.
 * Passes above the pipeline's limit are shown, and end with exit code 3 as the run would.
 */
export async function previewPas(
  file: string | undefined,
  options: PasSourceOptions & { json?: boolean; svg?: string },
): Promise<void> {
  const source = await readPasSource(file, options);
  const { spec, from, assumed } = source;
  const { steps, passes, orderSha256 } = planOrder(spec);
  const total = spec.cells.reduce((sum, { weight }) => sum + weight, 0);
  const cells = spec.cells.map((cell) => ({ ...cell, weight: cell.weight / total }));
  const warnings = assumed ? [] : passWarnings(cells, passes);
  const over = assumed ? [] : passesOver(spec, passes, source.maxPasses);
  const segments = segmentsOf(spec).map(({ from, to, lambda, hold, cells }) => {
    return { from, to, lambda, hold, weights: cells.map(({ weight }) => weight) };
  });
  const preview = { segments, cells, steps, passes, orderSha256, from, assumed, warnings, batch: spec.batch };
  if (options.svg !== undefined) {
    writeFileSync(options.svg, pasSvg(preview));
    note(`drawn in ${options.svg}`);
  }
  if (options.json) {
    const amended = segments.length > 1 ? { segments } : {};
    const told = source.bare ? {} : { from, assumed, warnings, refused: over, ...amended };
    print(JSON.stringify({ cells, schedule: steps, passes, orderSha256, ...told }));
    if (over.length > 0) process.exitCode = ExitCode.refused;
    return;
  }
  print(await pasView(preview, lookOf(process.stdout)));
  refusePasses(over, source.maxPasses);
}
