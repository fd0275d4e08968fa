// The CPU's operators beside the plain ones, value and gradient, in milliseconds of CPU with one thread for matrix
// products. Prints one line of JSON.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

const rounds = process.argv[2] ?? "40";
const python = join(import.meta.dirname, "../../../.venv-test/bin/python");
const stdout = execFileSync(python, [join(import.meta.dirname, "operators_ours.py"), rounds], {
  encoding: "utf8",
  env: { ...process.env, OMP_NUM_THREADS: "1", OMP_WAIT_POLICY: "passive" },
  stdio: ["ignore", "pipe", "inherit"],
});
process.stdout.write(`${stdout.trim().split("\n").at(-1)}\n`);
