// Cleaning and duplicates of the corpus stage beside datatrove's MinHash pipeline: the same made-up documents, one core,
// turn by turn. datatrove only looks for duplicates; ours cleans, counts and splits too. Ours a second time with
// `processes: 2`, on all cores. Prints one line of JSON.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { environment } from "../environment.mjs";

const here = join(import.meta.dirname, "corpus");
const count = Number(process.argv[2] ?? 10_000);
const rounds = Number(process.argv[3] ?? 3);
const ours = join(import.meta.dirname, "..", "..", "..", ".venv", "bin", "python");
const theirs = await environment(".venv-bench-corpus", join(here, "requirements.txt"), "datatrove");
const folder = mkdtempSync(join(tmpdir(), "legalone-corpus-"));
try {
  const file = join(folder, "documents.jsonl");
  python(ours, "documents.py", String(count), file);
  const seen = { legalone: [], twoProcesses: [], datatrove: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, interpreter, script, ...more] of [
      ["legalone", ours, "ours.py"],
      ["twoProcesses", ours, "ours.py", "2"],
      ["datatrove", theirs, "datatrove_minhash.py"],
    ]) {
      const out = join(folder, name);
      seen[name].push(told(python(interpreter, script, file, out, ...more)));
      rmSync(out, { recursive: true, force: true });
    }
  }
  const legalone = middle(seen.legalone);
  const datatrove = middle(seen.datatrove);
  const twoProcesses = middle(seen.twoProcesses);
  const ratio = legalone.documentsPerSecond / datatrove.documentsPerSecond;
  const load = loadavg()[0];
  process.stdout.write(
    `${JSON.stringify({ documents: count, rounds, legalone, twoProcesses, datatrove, ratio, load })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The round of middle speed, and what both tools must agree on nearly: how many documents stay. */
function middle(measured) {
  const sorted = measured.toSorted((a, b) => a.seconds - b.seconds);
  const { documents, dropped, ...figures } = sorted[Math.floor((sorted.length - 1) / 2)];
  return { documentsPerSecond: documents / figures.seconds, ...figures };
}

function told(output) {
  return JSON.parse(output.trim().split("\n").at(-1));
}

function python(interpreter, script, ...words) {
  const { status, stdout } = spawnSync(interpreter, [join(here, script), ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", TQDM_DISABLE: "1" },
  });
  if (status !== 0) throw new Error(`${script} ended with ${status}`);
  return stdout;
}
