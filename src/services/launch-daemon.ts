import { execFile, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ErrorCode } from "../core/error-codes.ts";
import { LegaloneError } from "../core/errors.ts";
import { makeHome } from "../core/own-folder.ts";
import { packageRoot } from "../core/paths.ts";
import { type DaemonNote, readDaemon } from "./daemon.ts";

const patienceMs = 60_000;

/** A long-lived command of this program. */
export interface DaemonCommand {
  /** Also the name of its note, <home>/<name>.json, and of its log, <home>/<name>.log. */
  name: "serve" | "agent";
  code: ErrorCode;
  /** What it was waited for and did not do, for people: before its note is there, and after. */
  waitedFor: { note: string; ready: string };
  /** True once it does its work; asked again and again after its note is there. */
  ready(note: DaemonNote): Promise<boolean>;
}

/**
 * Starts `legalone <name>` in the background and waits until it is ready.
 * @param givenUp when what it needs cannot be started: nobody waits for it then
 * @throws the command's code with the end of its log, when it ends or is not ready within a minute
 */
export async function launchDaemon(
  command: DaemonCommand,
  home: string,
  givenUp?: AbortSignal,
): Promise<DaemonNote> {
  makeHome(home);
  const log = join(home, `${command.name}.log`);
  const note = join(home, `${command.name}.json`);
  const output = openSync(log, "a", 0o600);
  const child = spawn(process.execPath, [join(packageRoot, "dist", "bin.js"), command.name], {
    cwd: packageRoot,
    env: { ...process.env, LEGALONE_HOME: home },
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  let ended: string | undefined;
  child.once("exit", (code, signal) => {
    ended = `it ended with ${signal ?? `exit code ${code}`}`;
  });
  child.once("error", (error) => {
    ended = error.message;
  });
  const deadline = Date.now() + patienceMs;
  while (ended === undefined && Date.now() < deadline && givenUp?.aborted !== true) {
    const found = readDaemon(note);
    if (found !== undefined && found.pid === child.pid && (await command.ready(found))) {
      child.unref();
      return found;
    }
    await sleep(10);
  }
  if (ended === undefined) child.kill("SIGKILL");
  const seen =
    ended ??
    `${readDaemon(note) === undefined ? command.waitedFor.note : command.waitedFor.ready} within ${patienceMs / 1000} s`;
  throw new LegaloneError(
    command.code,
    `${command.name} did not start: ${seen}. Its log ends: ${lastLines(log)}`,
    {
      hint: `The whole log is ${log}. \`legalone doctor\` checks this machine${ended === undefined ? "; on a busy one `legalone up` again may be enough" : ""}.`,
    },
  );
}

/**
 * Asks this version's serve whether it can take the records over, and starts nothing.
 * @throws E_MIGRATION, E_WORKSPACE, … as serve would
 */
export async function checkServe(home: string): Promise<void> {
  const words = [join(packageRoot, "dist", "bin.js"), "serve", "--check", "--json"];
  const env = { ...process.env, LEGALONE_HOME: home };
  const { stdout, failed } = await new Promise<{ stdout: string; failed: boolean }>((resolve) => {
    execFile(process.execPath, words, { cwd: packageRoot, env }, (error, text) =>
      resolve({ stdout: text, failed: error !== null }),
    );
  });
  if (!failed) return;
  const told = refusal(stdout);
  throw new LegaloneError(
    told.code,
    `${told.message}. What runs was left as it is`,
    told.hint === undefined ? {} : { hint: told.hint },
  );
}

function refusal(stdout: string): { code: ErrorCode; message: string; hint?: string } {
  try {
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "").error;
  } catch {
    return { code: "E_SERVE", message: `this version's serve does not start: ${stdout.trim()}` };
  }
}

function lastLines(log: string): string {
  const lines = readFileSync(log, "utf8").trim().split("\n").slice(-3);
  const text = lines.join(" / ");
  return text === "" ? "nothing" : text.slice(-600);
}
