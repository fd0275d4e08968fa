// Seconds from the start of a mid-training stage's process to its first step that is over: fresh, resumed from a
// checkpoint, resumed with the compile cache. The median of the rounds. Prints one line of JSON.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

const checkout = join(import.meta.dirname, "../../..");
const rounds = Number(process.argv[2] ?? 3);
const python = join(checkout, ".venv-test/bin/python");
if (!existsSync(python)) {
  process.stderr.write(`there is no ${python}; \`npm run setup\` installs it\n`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), "legalone-start-"));
try {
  const stdout = execFileSync(python, [join(import.meta.dirname, "start_ours.py"), folder, String(rounds)], {
    encoding: "utf8",
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const measured = JSON.parse(stdout.trim().split("\n").at(-1));
  const ways = Object.entries(measured).map(([name, attempts]) => [
    name,
    { seconds: median(attempts, "seconds"), cpuSeconds: median(attempts, "cpu") },
  ]);
  process.stdout.write(`${JSON.stringify({ ...Object.fromEntries(ways), rounds, load: loadavg()[0] })}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function median(attempts, clock) {
  const sorted = attempts.map((attempt) => attempt[clock]).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
