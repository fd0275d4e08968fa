// The Python environment of the other tools.
import { fileURLToPath } from "node:url";
import { environment } from "../environment.mjs";

/** @returns the Python of .venv-bench, which holds exactly what requirements.txt names */
export function benchPython() {
  const lock = fileURLToPath(new URL("requirements.txt", import.meta.url));
  return environment(".venv-bench", lock, "Dagster, Metaflow, Prefect and Snakemake");
}
