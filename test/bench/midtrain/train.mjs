// Our training step beside transformers and torch's AdamW: same weights, batches and machine, taken in turns.
// The speed of a side is that of its median step over all rounds. Prints one line of JSON.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

const checkout = join(import.meta.dirname, "../../..");
const rounds = Number(process.argv[2] ?? 3);
const steps = Number(process.argv[3] ?? 40);
const ours = join(checkout, ".venv-test/bin/python");
const torch = join(checkout, ".venv-torch/bin/python");
for (const program of [ours, torch])
  if (!existsSync(program)) {
    process.stderr.write(
      `there is no ${program}; \`npm run setup\` and \`npm run test:long\` install them\n`,
    );
    process.exit(1);
  }
const folder = mkdtempSync(join(tmpdir(), "legalone-train-"));
try {
  run(ours, "train_ours.py", "make", folder, String(steps));
  const sides = { ours: [], torch: [] };
  for (let round = 0; round < rounds; round++) {
    sides.torch.push(told(run(torch, "train_torch.py", folder)));
    sides.ours.push(told(run(ours, "train_ours.py", folder)));
  }
  const speed = (side, clock) => {
    // The first steps compile and warm up.
    const seconds = sides[side].flatMap((one) => one[clock].slice(3)).sort((a, b) => a - b);
    return sides[side][0].tokens / seconds[Math.floor(seconds.length / 2)];
  };
  const [mine, theirs] = [speed("ours", "seconds"), speed("torch", "seconds")];
  const losses = { ours: sides.ours[0].losses, torch: sides.torch[0].losses };
  const apart = Math.max(...losses.ours.map((loss, i) => Math.abs(loss - losses.torch[i])));
  process.stdout.write(
    `${JSON.stringify({
      tokensPerSecond: mine,
      torchTokensPerSecond: theirs,
      ratio: mine / theirs,
      // Of seconds of CPU: on a busy machine these say more.
      cpuRatio: speed("ours", "cpu") / speed("torch", "cpu"),
      load: loadavg()[0],
      steps,
      rounds,
      firstStepSeconds: Math.min(...sides.ours.map((one) => one.seconds[0])),
      firstLoss: losses.ours[0],
      lastLoss: losses.ours.at(-1),
      torchLastLoss: losses.torch.at(-1),
      lossesApartAtMost: apart,
    })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function run(program, script, ...words) {
  return execFileSync(program, [join(import.meta.dirname, script), ...words], {
    encoding: "utf8",
    cwd: folder,
    // Threads that wait in loops would burn the other side's seconds, and count as seconds of CPU.
    env: { ...process.env, OMP_WAIT_POLICY: "passive" },
    stdio: ["ignore", "pipe", "ignore"],
  });
}

function told(stdout) {
  return JSON.parse(stdout.trim().split("\n").at(-1));
}
