import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, realpathSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { packageRoot } from "../../src/core/paths.ts";
import { removeFolder } from "./remove-folder.ts";

/** Nobody's number: no account of the machine has it. */
const stranger = 54_321;

/**
 * Another machine, as far as this one can be one: a network of its own joined to ours by one cable, another user, a folder
 * of its own, and of our files only the program. `means` says which of these the system allowed; what is missing is
 * told in `lacks`.
 */
export interface FarPlace {
  /** Address of this machine on the cable: where serve is to listen. */
  host: string;
  means: { network: boolean; user: boolean };
  lacks: string[];
  /** Folder of its own, with a copy of `stages` in it. */
  folder(name: string, stages: string): { home: string; stages: string };
  /** Starts a program there; its environment is `env` and nothing else. */
  start(words: readonly string[], env: NodeJS.ProcessEnv): ChildProcess;
  /** Runs a program there to its end. */
  run(words: readonly string[], env?: NodeJS.ProcessEnv): { code: number | null; output: string };
  /** Pulls the cable, or puts it back. Only with a network of its own. */
  cable(state: "down" | "up"): void;
  close(): void;
}

export function openFarPlace(): FarPlace {
  const lacks: string[] = [];
  const root = process.getuid?.() === 0;
  if (!root) lacks.push("another user and a network of its own: needs root");
  const network = root ? openNetwork(lacks) : undefined;
  const enter = network?.enter ?? (root && works("unshare", "-m", "true") ? ["unshare", "-m"] : undefined);
  const user = enter !== undefined && works("setpriv", "--version");
  if (root && !user) lacks.push("another user: needs setpriv of util-linux, and `unshare -m` to be allowed");
  const base = mkdtempSync(join(tmpdir(), "legalone-far-"));
  chmodSync(base, 0o755);
  // Also when the test runner is killed, or runs none of the tests.
  const clean = [`rm -rf "${base}"`, ...(network?.cleaning ?? [])].join("; ");
  const wait = `while kill -0 ${process.pid} 2>/dev/null; do sleep 1; done; ${clean}`;
  spawn("/bin/sh", ["-c", wait], { detached: true, stdio: "ignore" }).unref();
  const prefix = enter === undefined || !user ? [] : [...enter, ...as(stranger, base)];
  const folders: string[] = [];
  return {
    host: network?.host ?? "127.0.0.1",
    means: { network: network !== undefined, user },
    lacks,
    folder(name, stages) {
      const folder = join(base, name);
      mkdirSync(join(folder, "home"), { recursive: true });
      cpSync(dirname(stages), join(folder, "source"), { recursive: true, verbatimSymlinks: true });
      execFileSync("chmod", ["-R", "a+rX", join(folder, "source")]);
      if (user) chownSync(join(folder, "home"), stranger, stranger);
      chmodSync(join(folder, "home"), 0o700);
      folders.push(folder);
      return { home: join(folder, "home"), stages: join(folder, "source", "stages") };
    },
    start(words, env) {
      const [program, ...rest] = [...prefix, ...words];
      return spawn(program!, rest, {
        env: { PATH: process.env.PATH, HOME: base, ...env },
        cwd: "/",
        stdio: "pipe",
      });
    },
    run(words, env = {}) {
      const [program, ...rest] = [...prefix, ...words];
      const { status, stdout, stderr } = spawnSync(program!, rest, {
        env: { PATH: process.env.PATH, HOME: base, ...env },
        cwd: "/",
        encoding: "utf8",
        timeout: 20_000,
      });
      return { code: status, output: `${stdout}${stderr}` };
    },
    cable(state) {
      network?.cable(state);
    },
    close() {
      for (const command of network?.cleaning ?? []) spawnSync("/bin/sh", ["-c", command]);
      removeFolder(base);
    },
  };
}

interface Network {
  host: string;
  enter: string[];
  cable(state: "down" | "up"): void;
  /** Commands that take it away. */
  cleaning: string[];
}

function openNetwork(lacks: string[]): Network | undefined {
  const id = process.pid % 16_000;
  const [space, ours, theirs] = [`legalone-${id}`, `lgo${id}a`, `lgo${id}b`];
  const subnet = `10.${64 + (id >> 8)}.${id & 255}`;
  const ip = (...words: string[]) => execFileSync("ip", words, { stdio: ["ignore", "pipe", "pipe"] });
  try {
    ip("netns", "add", space);
    try {
      ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", space);
      ip("addr", "add", `${subnet}.1/30`, "dev", ours);
      ip("link", "set", ours, "up");
      ip("-n", space, "addr", "add", `${subnet}.2/30`, "dev", theirs);
      ip("-n", space, "link", "set", theirs, "up");
      ip("-n", space, "link", "set", "lo", "up");
    } catch (error) {
      ip("netns", "del", space);
      throw error;
    }
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === "ENOENT"
        ? "`ip` is not here (apt-get install iproute2)"
        : String((error as { stderr?: Buffer }).stderr ?? error).trim();
    lacks.push(`a network of its own: ${why}`);
    return undefined;
  }
  return {
    host: `${subnet}.1`,
    enter: ["ip", "netns", "exec", space],
    cable: (state) => ip("link", "set", ours, state),
    cleaning: [`ip link del ${ours}`, `ip netns del ${space}`],
  };
}

/**
 * Words that become another user. Where our programs lie below a folder that is closed to it (root's own, say), that
 * folder is empty there but for the programs.
 */
function as(id: number, base: string): string[] {
  const venv = join(packageRoot, ".venv");
  const python = execFileSync(join(venv, "bin", "python"), ["-c", "import sys; print(sys.base_prefix)"], {
    encoding: "utf8",
  }).trim();
  const programs = [packageRoot, realpathSync(join(packageRoot, "node_modules")), realpathSync(venv), python];
  const needed = [...programs, dirname(realpathSync(process.execPath))];
  const closed = new Map<string, string[]>();
  for (const path of new Set(needed)) {
    const gate = closedAbove(path);
    if (gate !== undefined) closed.set(gate, [...(closed.get(gate) ?? []), path]);
  }
  const steps = [...closed].flatMap(([gate, paths], g) => [
    ...paths.map((path, i) => `mkdir -p "${base}/m${g}-${i}" && mount --bind "${path}" "${base}/m${g}-${i}"`),
    `mount -t tmpfs -o mode=755 tmpfs "${gate}"`,
    ...paths.map((path, i) => `mkdir -p "${path}" && mount --bind "${base}/m${g}-${i}" "${path}"`),
  ]);
  const user = `exec setpriv --reuid=${id} --regid=${id} --clear-groups "$@"`;
  return ["/bin/sh", "-c", ["set -e", ...steps, user].join("\n"), "far"];
}

/** The outermost folder above a path that others may not enter. */
function closedAbove(path: string): string | undefined {
  const above: string[] = [];
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder))
    above.unshift(folder);
  return above.find((folder) => (statSync(folder).mode & 0o001) === 0);
}

function works(program: string, ...words: string[]): boolean {
  return spawnSync(program, words, { stdio: "ignore" }).status === 0;
}
