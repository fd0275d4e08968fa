// The other tools: each is a Python program of this folder, run in .venv-bench with a home of its own. Their telemetry
// is off by their documented settings, and nothing but loopback is used.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

/** `--only` takes the first word. `processes`: a process a step and state on disk, as legalone has. */
export const pythonTools = [
  { tool: "dagster", program: "dagster_chain.py", mode: "multiprocess", processes: true },
  { tool: "dagster", program: "dagster_chain.py", mode: "in_process", processes: false },
  { tool: "prefect", program: "prefect_chain.py", mode: "processes", processes: true },
  { tool: "prefect", program: "prefect_chain.py", mode: "in_process", processes: false },
  { tool: "metaflow", program: "metaflow_chain.py", mode: "processes", processes: true },
  { tool: "snakemake", program: "snakemake_chain.py", mode: "processes", processes: true },
];

const quiet = {
  DO_NOT_TRACK: "1",
  PREFECT_SERVER_ANALYTICS_ENABLED: "false",
  PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: "true",
  PREFECT_RESULTS_PERSIST_BY_DEFAULT: "true",
  PREFECT_LOGGING_LEVEL: "ERROR",
  METAFLOW_DEFAULT_DATASTORE: "local",
  METAFLOW_DEFAULT_METADATA: "local",
  METAFLOW_USER: "bench",
};

/** Runs one tool's chain. @returns what its program printed last, with `processes`. @throws Error with its output */
export async function measureTool({ program, mode, processes }, { python, steps, submits }) {
  const folder = mkdtempSync(join(tmpdir(), "legalone-bench-tool-"));
  for (const name of ["dagster", "prefect", "metaflow", "cache"]) mkdirSync(join(folder, name));
  const env = {
    ...quiet,
    PATH: process.env.PATH,
    LANG: "C.UTF-8",
    HOME: folder,
    XDG_CACHE_HOME: join(folder, "cache"),
    DAGSTER_HOME: join(folder, "dagster"),
    PREFECT_HOME: join(folder, "prefect"),
    METAFLOW_HOME: join(folder, "metaflow"),
    METAFLOW_DATASTORE_SYSROOT_LOCAL: join(folder, "metaflow"),
    BENCH_MARKS: join(folder, "marks.jsonl"),
  };
  try {
    const words = [join(here, program), mode, String(steps), String(submits)];
    const { code, stdout, stderr } = await run(python, words, { cwd: folder, env });
    if (code !== 0)
      throw new Error(`${program} ${mode} ended with ${code}:\n${(stdout + stderr).slice(-2000)}`);
    return { ...JSON.parse(stdout.trim().split("\n").at(-1)), processes };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(command, words, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const seen = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"])
      child[name].on("data", (data) => {
        seen[name] += data;
      });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ ...seen, code: code ?? signal }));
  });
}
