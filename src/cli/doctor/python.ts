import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { localPrograms } from "../../dispatch/agent/launching.ts";
import { type Check, fail, ok } from "./check.ts";

const run = promisify(execFile);
const setup =
  "Run `npm run setup`, or set LEGALONE_PYTHON to a Python with stages/requirements.txt installed.";

/** `deep` imports MindSpore for real, which takes seconds; else its installed version is read. */
export async function pythonChecks(deep: boolean): Promise<Check[]> {
  const { python, root } = localPrograms();
  const ask = async (script: string) => (await run(python, ["-c", script], { cwd: root })).stdout.trim();
  let version: string;
  try {
    version = await ask("import platform; print(platform.python_version())");
  } catch (error) {
    return [fail("python", `${python} does not run: ${firstLine(error)}`, setup)];
  }
  const checks = [pythonVersion(version, python)];
  try {
    const script = deep
      ? "import mindspore, numpy; mindspore.Tensor(numpy.ones(1)).asnumpy(); print(mindspore.__version__)"
      : "from importlib.metadata import version; print(version('mindspore'))";
    checks.push(ok("mindspore", `${await ask(script)}${deep ? ", computes" : ""}`));
  } catch (error) {
    checks.push(fail("mindspore", `cannot be ${deep ? "used" : "found"}: ${firstLine(error)}`, setup));
  }
  return checks;
}

export function pythonVersion(version: string, path: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major === 3 && minor >= 10 && minor <= 12) return ok("python", `${version}, ${path}`);
  return fail("python", `${version}, expected 3.10 to 3.12`, setup);
}

/** The last line of a Python error names it. */
function firstLine(error: unknown): string {
  const text =
    (error as { stderr?: string }).stderr || (error instanceof Error ? error.message : String(error));
  return text.trim().split("\n").at(-1) ?? "";
}
