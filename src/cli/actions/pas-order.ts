import { resolve } from "node:path";
import { LegaloneError } from "../../core/errors.ts";
import { writeOrderFolder } from "../../worker/pas-order/order-folder.ts";
import { passesOver, refusePasses } from "../../worker/pas-order/order-options.ts";
import { type PasSourceOptions, readPasSource } from "../pas-source.ts";
import { note, print } from "./output.ts";

/** Writes the order folder over packed data, for a mid-training worker that runs without the control plane. */
export async function writePasOrder(
  file: string,
  options: PasSourceOptions & { json?: boolean; out: string },
): Promise<void> {
  const { spec, packed, maxPasses, from } = await readPasSource(file, options);
  if (!packed) {
    throw new LegaloneError("E_USAGE", "an order folder points into packed data, and there is none", {
      hint: "name a folder that the stage `perplexity` made with --packed",
    });
  }
  const folder = resolve(options.out);
  const { orderSha256, passes, warnings, steps } = writeOrderFolder(folder, spec, {
    first: packed.cells.map(({ first }) => first),
    sequenceLength: packed.sequenceLength,
  });
  refusePasses(passesOver(spec, passes, maxPasses), maxPasses);
  for (const warning of warnings) note(`warning ${warning}`);
  print(
    options.json
      ? JSON.stringify({ folder, steps, batch: spec.batch, passes, orderSha256, from })
      : `${folder}: ${steps} steps over ${from}, order ${orderSha256}`,
  );
}
