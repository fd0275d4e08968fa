import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ExitCode, LegaloneError } from "../../core/errors.ts";
import { packageRoot } from "../../core/paths.ts";
import { quoted } from "../../core/text.ts";
import { orderFiles, readOrderFile, writeOrderFolder } from "../../worker/pas-order/order-folder.ts";
import { passesOver, refusePasses } from "../../worker/pas-order/order-options.ts";
import { type PasSourceOptions, readPasSource } from "../pas-source.ts";
import { exportTarget } from "./copy-verified.ts";
import { note, print } from "./output.ts";

export interface PasOrderOptions extends PasSourceOptions {
  json?: boolean;
  out?: string;
  job?: string;
}

/**
 * Writes the order folder over packed data, for a mid-training worker that runs without the control plane:
 * from a pipeline file, or from the job of that worker.
 */
export async function writePasOrder(file: string | undefined, options: PasOrderOptions): Promise<void> {
  if (options.job !== undefined) return runWorker(options.job);
  if (file === undefined || options.out === undefined) {
    throw new LegaloneError("E_USAGE", "an order needs a pipeline file and --out, or --job", {
      hint: "legalone pas order --help shows both forms",
    });
  }
  const folder = exportTarget(options.out, "--out", "order");
  refuseTaken(folder);
  const { spec, packed, maxPasses, from } = await readPasSource(file, options);
  if (!packed) {
    throw new LegaloneError("E_USAGE", "an order folder points into packed data, and there is none", {
      hint: "name a folder that the stage `perplexity` made with --packed",
    });
  }
  const { orderSha256, passes, warnings, steps } = writeOrderFolder(folder, spec, packed);
  refusePasses(passesOver(spec, passes, maxPasses), maxPasses);
  for (const warning of warnings) note(`warning ${warning}`);
  print(
    options.json
      ? JSON.stringify({ folder, steps, batch: spec.batch, passes, orderSha256, from })
      : `${folder}: ${steps} steps over ${from}, order ${orderSha256}`,
  );
}

/** Only an order gives way to another one. @throws E_CONFLICT with what would be lost */
function refuseTaken(folder: string): void {
  const seen = lstatSync(folder, { throwIfNoEntry: false });
  if (seen === undefined) return;
  const names = seen.isDirectory() ? readdirSync(folder) : [];
  const other = names.find((name) => !orderFiles.includes(name));
  if (
    seen.isDirectory() &&
    (names.length === 0 || (other === undefined && readOrderFile(folder)?.specSha256))
  )
    return;
  const what = seen.isDirectory()
    ? `holds ${quoted(other ?? names[0]!)}, which is of no order`
    : "is no folder";
  throw new LegaloneError("E_CONFLICT", `${folder} exists and ${what}; only an order is replaced`, {
    hint: "Name another folder with --out.",
  });
}

/** The same program that the control plane runs before the trainer. Its codes for wrong options and data become 2. */
async function runWorker(job: string): Promise<void> {
  // Read here too, so that a wrong file is told as every other: the worker's own words are for its log.
  const text = readFileSync(job, "utf8");
  if (!isJob(text))
    throw new LegaloneError(
      "E_USAGE",
      `--job ${resolve(job)} is no job: it begins with ${quoted(text, 40)}`,
      {
        hint: "A worker's job.json lies in its folder of attempts/ in the workspace.",
      },
    );
  const { spawnSync } = await import("node:child_process");
  const worker = join(packageRoot, "dist", "worker", "pas-order.js");
  const { status } = spawnSync(process.execPath, [worker, "--job", resolve(job)], { stdio: "inherit" });
  if (status !== 0) process.exitCode = status === 64 || status === 65 ? ExitCode.usage : ExitCode.bug;
}

function isJob(text: string): boolean {
  try {
    const job: unknown = JSON.parse(text);
    return typeof job === "object" && job !== null && "attempt" in job;
  } catch {
    return false;
  }
}
