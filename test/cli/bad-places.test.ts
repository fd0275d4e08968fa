import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot, socketFolder } from "../../src/core/paths.ts";
import { canReach } from "../../src/services/unprivileged.ts";
import { removeFolder } from "../support/remove-folder.ts";
import { canMount, fillDisk, mountDisk, unmountDisk } from "../support/small-disk.ts";

const root = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };
/** Causes that are the machine's or the user's, never the program's. */
const ours = new Set(["E_FILE", "E_FILE_MISSING", "E_CONFIG", "E_USAGE", "E_SETUP", "E_DISK_FULL"]);

let base: string;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "legalone-test-"));
  chmodSync(base, 0o711);
});
afterAll(() => removeFolder(base));

interface End {
  code: number | null;
  error: { code: string; message: string; hint?: string } | undefined;
  /** Lines of doctor. */
  checks: { name: string; status: string; seen: string; fix?: string }[];
  output: string;
}

/** Runs the compiled program with --json; one that does not end counts as ended by a signal. */
function run(words: string[], env: NodeJS.ProcessEnv, user?: { uid: number; gid: number }): Promise<End> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(packageRoot, "dist/bin.js"), ...words, "--json"], {
      ...user,
      cwd: "/",
      env: { PATH: process.env.PATH, LEGALONE_OWNER_PID: String(process.pid), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
    const patience = setTimeout(() => child.kill("SIGKILL"), 60_000);
    child.once("close", (code) => {
      clearTimeout(patience);
      const lines = output.split("\n").filter((line) => line.startsWith("{"));
      const said = lines.map((line) => JSON.parse(line) as Partial<End>);
      resolve({
        code,
        error: said.find(({ error }) => error)?.error,
        checks: said.find(({ checks }) => checks)?.checks ?? [],
        output,
      });
    });
  });
}

function expectCleanCause({ code, error, output }: End, place: RegExp): void {
  expect(output).not.toMatch(/E_BUG|\n\s+at |PostgreSQL/);
  expect(error, output).toMatchObject({
    message: expect.stringMatching(place),
    hint: expect.stringMatching(/\w/),
  });
  expect(ours).toContain(error?.code);
  expect([2, 9]).toContain(code);
}

describe("a home that cannot be one", () => {
  const homes: Record<string, (at: string) => string> = {
    "a file": (at) => {
      writeFileSync(at, "");
      return at;
    },
    "a path through a file": (at) => {
      writeFileSync(at, "");
      return join(at, "home");
    },
    "a link to nothing": (at) => {
      symlinkSync(`${at}-nothing`, at);
      return at;
    },
    "links in a circle": (at) => {
      symlinkSync(`${at}-other`, at);
      symlinkSync(at, `${at}-other`);
      return at;
    },
    "a link to a file": (at) => {
      writeFileSync(`${at}-file`, "");
      symlinkSync(`${at}-file`, at);
      return at;
    },
    "a pipe": (at) => {
      spawnSync("mkfifo", [at]);
      return at;
    },
    "a name that is too long": (at) => `${at}${"x".repeat(300)}`,
    "the whole machine": () => "/",
    "what holds this program": () => packageRoot,
    "a folder that everybody may write": (at) => {
      mkdirSync(at);
      chmodSync(at, 0o777);
      return at;
    },
    ...(process.platform === "linux" ? { "a place in /proc": () => "/proc/legalone/home" } : {}),
    ...(root
      ? {
          "a folder of another user": (at: string) => {
            mkdirSync(at);
            chownSync(at, nobody.uid, nobody.gid);
            return at;
          },
        }
      : {}),
  };
  const commands = [["up"], ["agent"], ["status"], ["gc"], ["down"], ["train", "pipelines/demo.yaml"]];

  it.each(Object.keys(homes))(
    "is told as such by every command, and by doctor in a line: %s",
    async (name) => {
      const at = join(base, name.replaceAll(/\W/g, "-"));
      const LEGALONE_HOME = homes[name]!(at);
      // What cannot be made is met by the command that makes it.
      const makes = LEGALONE_HOME.startsWith("/proc") ? [["up"], ["agent"], ["down"]] : commands;
      const place = new RegExp(LEGALONE_HOME.startsWith(base) ? at : LEGALONE_HOME.slice(0, 14));
      for (const words of makes) expectCleanCause(await run(words, { LEGALONE_HOME }), place);
      const doctor = await run(["doctor"], { LEGALONE_HOME });
      expect(doctor.output).not.toMatch(/E_BUG|\n\s+at /);
      expect([2, 9]).toContain(LEGALONE_HOME.startsWith("/proc") ? 2 : doctor.code);
      expect(doctor.checks.map(({ name }) => name)).toEqual(
        expect.arrayContaining(["node", "workspace", "python"]),
      );
    },
  );

  // A checkout or a Node in root's home cannot be used by anybody else.
  const asUser = !root || (canReach(process.execPath, nobody) && canReach(join(packageRoot, "dist"), nobody));
  it.skipIf(!asUser)("is told as such to a user who may not write or enter it", async () => {
    const shut = join(base, "shut");
    mkdirSync(join(shut, "home"), { recursive: true });
    const own = join(base, "read-only");
    mkdirSync(own);
    if (root) chownSync(own, nobody.uid, nobody.gid);
    chmodSync(own, 0o555);
    chmodSync(shut, root ? 0o700 : 0o000);
    const user = root ? nobody : undefined;
    try {
      for (const home of [join(shut, "home"), join(shut, "none"), own])
        expectCleanCause(await run(["up"], { LEGALONE_HOME: home }, user), new RegExp(home.slice(0, 40)));
      const doctor = await run(["doctor"], { LEGALONE_HOME: own }, user);
      expect(doctor.checks.find(({ name }) => name === "workspace")).toMatchObject({ status: "fail" });
    } finally {
      chmodSync(shut, 0o700);
      chmodSync(own, 0o700);
    }
  });

  it.skipIf(!canMount())("is told as such where its disk is full or read-only", async () => {
    const disk = join(base, "disk");
    mkdirSync(disk);
    mountDisk(disk, 1);
    try {
      fillDisk(disk, 1);
      const full = await run(["up"], { LEGALONE_HOME: disk });
      expect(full.error).toMatchObject({ code: "E_DISK_FULL", message: expect.stringContaining(disk) });
      spawnSync("mount", ["-o", "remount,ro", disk]);
      expectCleanCause(await run(["up"], { LEGALONE_HOME: disk }), /read-only/);
      expectCleanCause(await run(["gc"], { LEGALONE_HOME: join(disk, "home") }), /read-only/);
    } finally {
      unmountDisk(disk);
    }
  });

  it("an empty LEGALONE_HOME counts as unset, and never as the folder the command was given in", async () => {
    const doctor = await run(["doctor"], { LEGALONE_HOME: "" });
    expect(doctor.checks.find(({ name }) => name === "workspace")?.seen).toContain(
      join(packageRoot, ".legalone"),
    );
  });
});

describe("a pipeline file that cannot be one", () => {
  const files: Record<string, (at: string) => void> = {
    "a folder": (at) => mkdirSync(at),
    "a pipe": (at) => void spawnSync("mkfifo", [at]),
    "a link to a device": (at) => symlinkSync("/dev/zero", at),
    "a link to nothing": (at) => symlinkSync(`${at}-nothing`, at),
    "links in a circle": (at) => symlinkSync(at, at),
    "a gigabyte": (at) => {
      const file = openSync(at, "w");
      ftruncateSync(file, 2 ** 30);
      closeSync(file);
    },
    "three gigabytes": (at) => {
      const file = openSync(at, "w");
      ftruncateSync(file, 3 * 2 ** 30);
      closeSync(file);
    },
    "a binary": (at) => writeFileSync(at, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 255])),
    "text that is not UTF-8": (at) => writeFileSync(at, Buffer.from("name: \xff\xfe", "latin1")),
    "an alias bomb": (at) => writeFileSync(at, bomb(9, 9)),
    "a wide alias bomb": (at) => writeFileSync(at, bomb(2, 900)),
    "deep lists": (at) => writeFileSync(at, `name: ${"[".repeat(100_000)}`),
    "deep lists that are closed": (at) => writeFileSync(at, `name: ${"[".repeat(3000)}${"]".repeat(3000)}`),
    "keys that are lists": (at) => writeFileSync(at, "? ".repeat(150)),
    "a key __proto__": (at) => writeFileSync(at, "version: 1\nstages:\n  __proto__: {uses: corpus}\n"),
    "a key constructor": (at) => writeFileSync(at, "version: 1\nconstructor: {prototype: {x: 1}}\n"),
    "a stage named constructor": (at) =>
      writeFileSync(at, "version: 1\nname: x\nstages: {constructor: {uses: corpus}}\n"),
    "words of JavaScript as names": (at) =>
      writeFileSync(
        at,
        "version: 1\nname: constructor\nmodel: constructor\ncluster: constructor\nstages: {a: {uses: constructor, needs: [constructor], with: {corpus: constructor}, gate: {metric: constructor, below: constructor.name}}}\n",
      ),
    "a zero in a path": (at) =>
      writeFileSync(
        at,
        'version: 1\nname: x\nstages: {a: {uses: corpus, with: {corpus: {sources: [{name: a, path: "a\\0b"}]}}}}\n',
      ),
  };

  it.each(Object.keys(files))("is told as such: %s", async (name) => {
    const at = join(base, `${name.replaceAll(/\W/g, "-")}.yaml`);
    files[name]!(at);
    for (const words of [["validate"], ["plan"], ["pas", "preview"]]) {
      const end = await run([...words, at], { LEGALONE_HOME: join(base, "none") });
      expect(end.output).not.toMatch(/E_BUG|\n\s+at |PostgreSQL/);
      expect(end.code).toBe(2);
      expect(end.output).toContain(at);
    }
  });

  it.each([
    "__proto__.polluted=1",
    "constructor.prototype.polluted=1",
    "stages.constructor.uses=corpus",
    "stages.a.with={__proto__: {x: 1}}",
    "stages.a.with=[&a [x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b,*b], &d [*c,*c,*c,*c,*c,*c,*c,*c,*c], &e [*d,*d,*d,*d,*d,*d,*d,*d,*d], *e, *e]",
    `name=${"[".repeat(300)}`,
  ])("--set of that kind is a usage error: %s", async (text) => {
    const end = await run(["validate", join(packageRoot, "pipelines/demo.yaml"), "--set", text], {});
    expect(end.error).toMatchObject({ code: "E_USAGE", message: expect.stringContaining("--set") });
  });

  /** `levels` lists, each of `wide` times the one before. */
  function bomb(levels: number, wide: number): string {
    const lines = [`a0: &a0 [${Array(wide).fill("x").join(",")}]`];
    for (let level = 1; level <= levels; level++)
      lines.push(
        `a${level}: &a${level} [${Array(wide)
          .fill(`*a${level - 1}`)
          .join(",")}]`,
      );
    return lines.join("\n");
  }
});

describe("a machine that lacks what most have", () => {
  it("without HOME all works, and `down` leaves nothing in /tmp", async () => {
    const home = join(base, "bare");
    const env = { LEGALONE_HOME: home, HOME: undefined };
    try {
      const started = await run(["up"], env);
      expect(started, started.output).toMatchObject({ code: 0 });
      expect(existsSync(socketFolder(home))).toBe(true);
      const doctor = await run(["doctor"], env);
      expect(doctor.checks.filter(({ name }) => /database|queue|serve|agent|workspace/.test(name))).toEqual(
        doctor.checks.flatMap((check) =>
          /database|queue|serve|agent|workspace/.test(check.name)
            ? [expect.objectContaining({ status: "ok" })]
            : [],
        ),
      );
      expect((await run(["status"], env)).code).toBe(0);
      expect((await run(["debug", "bundle"], env)).error).toMatchObject({ code: "E_NOT_FOUND" });
    } finally {
      expect((await run(["down"], env)).code).toBe(0);
    }
    expect(existsSync(socketFolder(home))).toBe(false);
  });

  const canUnshare = root && spawnSync("unshare", ["-m", "true"]).status === 0;
  it.skipIf(!canUnshare)("where /tmp is read-only that is the cause, and doctor works", async () => {
    const home = mkdtempSync("/var/tmp/legalone-test-");
    const program = join(packageRoot, "dist/bin.js");
    const inside = (...words: string[]) => {
      const script = 'mount -t tmpfs -o ro none /tmp && exec "$0" "$@"';
      const env = { PATH: process.env.PATH, LEGALONE_HOME: home };
      return spawnSync("unshare", ["-m", "/bin/sh", "-c", script, process.execPath, program, ...words], {
        env,
        cwd: "/",
        encoding: "utf8",
      });
    };
    try {
      const up = inside("up");
      expect(up).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/^error E_FILE .*\/tmp\/legalone-.*read-only[\s\S]*\nhint: /),
      });
      const doctor = inside("doctor");
      expect(doctor).toMatchObject({ status: 2, stdout: expect.stringMatching(/fail sockets .*read-only/) });
      expect(doctor.stdout).toMatch(/ok +workspace/);
      expect(doctor.stdout + doctor.stderr).not.toMatch(/E_BUG|\n\s+at /);
    } finally {
      removeFolder(home);
    }
  });
});

it("under umask 000 and 077 nothing of a workspace may be written by others, and all is reached by PostgreSQL", async () => {
  for (const umask of ["000", "077"]) {
    const home = join(base, `umask-${umask}`);
    const env = { ...process.env, LEGALONE_HOME: home, LEGALONE_OWNER_PID: String(process.pid) };
    const program = join(packageRoot, "dist/bin.js");
    const script = `umask ${umask}; exec "$0" "${program}" "$@"`;
    const start = spawnSync("/bin/sh", ["-c", script, process.execPath, "up", "--json"], { env });
    try {
      expect(String(start.stdout)).toContain('"started"');
      expect(writableByOthers(home)).toEqual([]);
    } finally {
      spawnSync(process.execPath, [program, "down"], { env });
    }
  }

  function writableByOthers(folder: string): string[] {
    return readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => !entry.isSymbolicLink())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => (statSync(path).mode & 0o002) !== 0);
  }
});
