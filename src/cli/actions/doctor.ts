import { ExitCode, LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { environmentError } from "../../core/system-errors.ts";
import { knownWorkspaceId } from "../../core/workspace-note.ts";
import { homeError, lookAtHome } from "../../services/home.ts";
import { lookOf } from "../../views/look.ts";
import { wrap } from "../../views/table.ts";
import { type Check, fail, ok } from "../doctor/check.ts";
import { daemonChecks } from "../doctor/daemons.ts";
import { machineChecks } from "../doctor/machine.ts";
import { nodeChecks } from "../doctor/nodes.ts";
import { pythonChecks } from "../doctor/python.ts";
import { storeChecks } from "../doctor/stores.ts";
import { print } from "./output.ts";

/** Checks this machine. Ends with 9 when a server does not answer, with 2 when something else is missing. */
export async function runDoctor({ json, deep }: { json?: boolean; deep: boolean }): Promise<void> {
  const checks = await allChecks(deep);
  process.exitCode = exitCodeOf(checks);
  if (json) {
    print(JSON.stringify({ ok: process.exitCode === ExitCode.ok, checks }));
    return;
  }
  for (const check of checks) print(line(check));
  const faults = checks.filter(({ status }) => status === "fail").length;
  print(faults === 0 ? "\nThis machine can run pipelines." : `\n${faults} faults; runs would fail.`);
}

/** Every check of this machine and workspace. */
export async function allChecks(deep: boolean): Promise<Check[]> {
  const home = workspace();
  const groups = [
    guarded("machine", () => machineChecks(home)),
    guarded("workspace", () => workspaceCheck(home)),
    guarded("python", () => pythonChecks(deep)),
    guarded("stores", () => storeChecks(home)),
    guarded("daemons", () => daemonChecks(home)),
    guarded("nodes", () => nodeChecks(home)),
  ];
  return (await Promise.all(groups)).flat();
}

/** What keeps a check from looking is what doctor is asked for: a line, not the end of the others. */
async function guarded(name: string, look: () => Check[] | Promise<Check[]>): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    const known = error instanceof LegaloneError ? error : environmentError(error);
    if (known === undefined) throw error;
    return [fail(name, known.message, known.hint ?? "Mend what the line names.")];
  }
}

function workspaceCheck(home: string): Check[] {
  const error = homeError(home, lookAtHome(home));
  if (error !== undefined) return [fail("workspace", error.message, error.hint ?? "")];
  const id = knownWorkspaceId(home);
  return [ok("workspace", id === "" ? `${home}, not used yet` : `${home}, ${id}`)];
}

/** The exit code of a list of checks. */
export function exitCodeOf(checks: readonly Check[]): ExitCode {
  const failed = checks.filter((check) => check.status === "fail");
  if (failed.length === 0) return ExitCode.ok;
  return failed.some((check) => check.status === "fail" && check.unreachable)
    ? ExitCode.unreachable
    : ExitCode.usage;
}

function line(check: Check): string {
  const look = lookOf(process.stdout);
  const { colors } = look;
  const marks = { ok: colors.green("ok  "), warn: colors.yellow("warn"), fail: colors.red("fail") };
  // Names stand in a column of ten, whichever lines come: each is told as soon as it is known.
  const under = (text: string) => wrap(text, look.width - 16).replaceAll("\n", `\n${" ".repeat(16)}`);
  const text = `${marks[check.status]} ${check.name.padEnd(10)} ${under(check.seen)}`;
  return check.status === "ok"
    ? text
    : `${text}\n${" ".repeat(16)}${under(`${colors.dim("fix:")} ${check.fix}`)}`;
}
