import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/core/paths.ts";
import { removeFolder } from "../support/remove-folder.ts";

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
  /** Standard output as JSON. */
  json(): unknown;
}

/** Runs the compiled program to its end, in a workspace without services. */
export function runCli(words: readonly string[], environment: NodeJS.ProcessEnv = {}): CliResult {
  const home = mkdtempSync(join(tmpdir(), "legalone-cli-"));
  try {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(packageRoot, "dist/bin.js"), ...words],
      {
        encoding: "utf8",
        cwd: packageRoot,
        env: { ...withoutOurs(process.env), LEGALONE_HOME: home, NO_COLOR: "1", ...environment },
      },
    );
    return { code: status, stdout, stderr, json: () => JSON.parse(stdout) as unknown };
  } finally {
    removeFolder(home);
  }
}

function withoutOurs(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("LEGALONE_")));
}
