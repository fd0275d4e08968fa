// What the set-up scripts share: running programs, finding Python, one set-up at a time.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const colours = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 };

export function paint(colour, text) {
  return process.stdout.isTTY && !process.env.NO_COLOR ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text;
}

/** Ends the script with what was seen and how to mend it. */
export function fail(message, hint) {
  process.stderr.write(`${paint("red", "error")} ${message}\n${hint ? `  ${hint}\n` : ""}`);
  process.exit(2);
}

/** Runs a program; its output is shown only when it fails. */
export async function run(command, args, options = {}) {
  const { code, output } = await capture(command, args, options);
  if (code !== 0)
    fail(
      `\`${command} ${args.join(" ")}\` ended with ${code}:\n${output.trim()}`,
      "Mend what it names, then run `npm run setup` again.",
    );
}

/** Runs a program and gives its exit code and its joined output. */
export function capture(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
    });
    child.stderr.on("data", (data) => {
      output += data;
    });
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code, signal) => resolve({ code: code ?? `signal ${signal}`, output }));
  });
}

/** A Python 3.10-3.12 that can make virtual environments: `LEGALONE_PYTHON`, or the first on the PATH that fits. */
export async function findPython() {
  const asked = process.env.LEGALONE_PYTHON;
  const seen = [];
  for (const path of asked ? [asked] : ["python3.11", "python3.12", "python3.10", "python3"]) {
    const { code, output } = await capture(path, [
      "-c",
      "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3])",
    ]);
    const version = output.trim();
    if (code === 0 && /^3\.(10|11|12)\./.test(version)) return { path, version };
    if (code !== 127) seen.push(`${path}: ${version.split("\n").at(-1)}`);
  }
  return fail(
    `No Python 3.10, 3.11 or 3.12 with venv was found${seen.length ? ` (${seen.join("; ")})` : ""}.`,
    "Debian and Ubuntu: apt-get install python3 python3-venv. Or name one: LEGALONE_PYTHON=/path/to/python3.11",
  );
}

/** Runs `work` while no other process holds `file`; a lock whose process is gone is taken over. */
export async function locked(file, work) {
  for (let said = false; ; ) {
    try {
      const handle = openSync(file, "wx");
      writeSync(handle, String(process.pid));
      closeSync(handle);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    let holder = Number.NaN;
    try {
      holder = Number(readFileSync(file, "utf8"));
    } catch {}
    if (!(holder > 0 && isAlive(holder))) {
      rmSync(file, { force: true });
      continue;
    }
    if (!said) process.stdout.write(`Waiting for the set-up that runs as process ${holder} …\n`);
    said = true;
    await sleep(500);
  }
  const release = () => rmSync(file, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    release();
    process.off("exit", release);
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
