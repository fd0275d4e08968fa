import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { textOfLog } from "../replay/log-file.ts";
import { keepLogs } from "./keep-logs.ts";
import { type FaultKind, faultKinds, type Plan, wideFaultKinds } from "./plan/types.ts";
import type { SeedResult } from "./run-seed.ts";
import { runSeeds } from "./run-seeds.ts";
import { fixPace, timesOf } from "./site/pace.ts";
import type { Site } from "./site/site.ts";

const usage = `npm run chaos -- [--seeds 60] [--from 1] [--seed N] [--workers 3] [--only KIND,KIND] [--at-least N] [--pace N] [--json] [--verbose]

Random faults against the real control plane with stand-in workers; the last line says what came of it.
  --seeds N     this many seeds      --from N   beginning with this one     --seed N   just this one, with its story
  --record DIR  keep the event log of each seed there
  --at-least N  fails as well when one of these hit something in fewer cases: ${wideFaultKinds.join(", ")}
  --pace N      as on a machine so many times slower; left out, its load says so
  --keep        keeps what the processes of every seed said
  --only KINDS  just these faults: ${faultKinds.join(", ")}`;

/** The command behind \`npm run chaos\`. Ends with 1 when something was violated. */
export async function main(words: string[]): Promise<void> {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    args: words,
    options: {
      seeds: text,
      from: text,
      seed: text,
      workers: text,
      only: text,
      "at-least": text,
      json: flag,
      verbose: flag,
      keep: flag,
      pace: text,
      record: text,
      help: flag,
    },
  });
  if (values.help) return say(usage);
  const first = Number(values.seed ?? values.from ?? 1);
  const count = values.seed === undefined ? Number(values.seeds ?? 60) : 1;
  const only = values.only?.split(",") as FaultKind[] | undefined;
  const unknown = only?.filter((kind) => !faultKinds.includes(kind)) ?? [];
  const atLeast = Number(values["at-least"] ?? 0);
  if (![first, count, atLeast].every(Number.isInteger) || unknown.length > 0) {
    process.stderr.write(`${usage}\n`);
    process.exitCode = 2;
    return;
  }
  if (values.pace !== undefined) fixPace(Number(values.pace));
  const summary = await runSeeds({
    keep: values.keep,
    seeds: Array.from({ length: count }, (_, i) => first + i),
    workers: Number(values.workers ?? 3),
    ...(only === undefined ? {} : { only }),
    ...(values.record === undefined
      ? {}
      : { see: (plan, site, hit) => record(values.record!, plan, site, hit) }),
    onResult: (plan, result) =>
      tell(plan, result, { verbose: values.verbose || values.seed !== undefined, json: values.json }),
  });
  const rare = wideFaultKinds.filter((kind) => (summary.faults[kind] ?? 0) < atLeast);
  process.exitCode = summary.violations > 0 || rare.length > 0 ? 1 : 0;
  if (values.json) return say(JSON.stringify({ ...summary, rare }));
  const kinds = Object.entries(summary.faults).map(([kind, times]) => `${kind} ${times}`);
  say(
    `${summary.seeds} seeds, ${summary.violations} violations, ${summary.attempts} attempts, ${summary.seconds} s`,
  );
  say(
    `faults: ${kinds.join(", ")}; ${summary.missed} hit nothing; skipped: ${JSON.stringify(summary.skipped)}`,
  );
  if (rare.length > 0) say(`fewer than ${atLeast}: ${rare.join(", ")}`);
  if (summary.failed.length > 0) say(`failing seeds: ${summary.failed.join(", ")}`);
}

/** Keeps the event log of a seed that ended, for test/replay. */
async function record(folder: string, plan: Plan, site: Site, hit: readonly string[]): Promise<void> {
  const about = { seed: plan.seed, faults: [...hit], times: timesOf(site.pace) };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `seed-${plan.seed}.jsonl`), await textOfLog(site.database, about, site.folder));
}

function tell(plan: Plan, result: SeedResult, { verbose, json }: { verbose: boolean; json: boolean }): void {
  const bad = result.violations.length > 0;
  const { logs: _, ...told } = result;
  if (json) say(JSON.stringify({ type: "seed", ...told, ...(bad ? { plan } : {}) }));
  const kept = Object.keys(result.logs).length > 0;
  if (!bad && !verbose && !kept) return;
  const write = (line: string) => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  write(`seed ${plan.seed}: ${bad ? "VIOLATED" : "held"} in ${result.seconds.toFixed(1)} s`);
  for (const { at, kind, ms, pick } of plan.faults)
    write(`  at ${at} ms: ${kind} for ${ms} ms, pick ${pick.toFixed(3)}`);
  for (const violation of result.violations) write(`  ✗ ${violation}`);
  if (verbose) write(JSON.stringify({ ...plan, faults: undefined }));
  if (!kept) return;
  write(`  what its processes said: ${keepLogs(result)}; again alone: npm run chaos -- --seed ${plan.seed}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
