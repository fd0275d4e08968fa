import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import pg from "pg";
import { createLook } from "../../../src/cli/serve/look.ts";
import { policyOf } from "../../../src/cli/serve/policy.ts";
import { createLog } from "../../../src/core/log.ts";
import { packageRoot, socketFolder } from "../../../src/core/paths.ts";
import { readTimes } from "../../../src/core/times.ts";
import { TimerDoorbell } from "../../../src/dispatch/doorbell/timer-doorbell.ts";
import { type Database, openDatabase, poolConfig } from "../../../src/records/database.ts";
import { Leadership } from "../../../src/records/leadership.ts";
import { migrate } from "../../../src/records/migrate.ts";
import { syncNode } from "../../../src/records/nodes.ts";
import { submitRun } from "../../../src/records/runs.ts";
import { startPostgres, stopPostgres } from "../../../src/services/postgres.ts";
import { writeEndedRun, writeWaitingRun } from "../../support/history.ts";
import { runOf } from "../../support/pipelines.ts";
import { removeFolder } from "../../support/remove-folder.ts";

const usage = `npm run bench:history -- [--attempts 300000] [--events 10000000] [--waiting 100000] [--open 100000] [--json]

Writes a history into a database of its own and measures what is done again and again, with and without it.
  --attempts N  that have ended            --events N   in the log
  --waiting N   outputs for one consumer   --open N     shards of one submit
  --runs N      in which the attempts are, of equal size
  --looks N     of which the median is told
  --no-commands measures no commands       --keep       leaves the database running, and says where
  --json        the last line holds every number`;

/** What is to be reached, in ms. */
const targets = { look: 25, waiting: 150, sync: 10, submit: 10_000 };

/** Indexes of what is open: dropped and made again, to see what they are for. */
const openIndexes = ["Attempt_live_idx", "Attempt_faults_idx"];

interface Measured {
  what: string;
  ms: number;
  /** The same with nothing behind it. */
  emptyMs?: number;
  /** The same without the partial indexes. */
  withoutMs?: number;
  targetMs?: number;
}

interface CommandCost {
  command: string;
  seconds: number;
  /** Of the command's own process: what it costs, whatever else the machine does. */
  cpuSeconds: number;
  mib: number;
  lines: number;
  code: number | null;
}

/** The command behind `npm run bench:history`. */
export async function main(words: string[]): Promise<void> {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    args: words,
    options: {
      attempts: text,
      events: text,
      waiting: text,
      open: text,
      runs: text,
      looks: text,
      "no-commands": flag,
      keep: flag,
      json: flag,
      help: flag,
    },
  });
  if (values.help) return say(usage);
  const number = (given: string | undefined, usual: number) => Number(given ?? usual);
  const size = {
    attempts: number(values.attempts, 300_000),
    events: number(values.events, 10_000_000),
    waiting: number(values.waiting, 100_000),
    open: number(values.open, 100_000),
    runs: number(values.runs, 60),
    looks: number(values.looks, 20),
  };
  if (!Object.values(size).every((value) => Number.isInteger(value) && value > 0)) {
    process.stderr.write(`${usage}\n`);
    process.exitCode = 2;
    return;
  }
  const bench = await Bench.open();
  try {
    const machine = { cores: cpus().length, model: cpus()[0]?.model, gib: Math.round(totalmem() / 2 ** 30) };
    const { measured, newest } = await measure(bench, size);
    const rows = await bench.rows();
    const commands = values["no-commands"] ? [] : await measureCommands(bench, newest);
    const at = new Date().toISOString().slice(0, 10);
    say(`\n${at}, ${machine.cores} cores ${machine.model}, ${machine.gib} GiB; ${rowsText(rows)}\n`);
    say(table(measured));
    if (commands.length > 0) say(`\n${commandTable(commands)}`);
    if (values.json) say(JSON.stringify({ at, machine, size, rows, measured, commands }));
    process.exitCode = measured.some(({ ms, targetMs }) => targetMs !== undefined && ms > targetMs) ? 1 : 0;
  } finally {
    await bench.close(values.keep);
  }
}

interface Size {
  attempts: number;
  events: number;
  waiting: number;
  open: number;
  runs: number;
  looks: number;
}

async function measure(bench: Bench, size: Size): Promise<{ measured: Measured[]; newest: string }> {
  const { client } = bench;
  await writeWaitingRun(client, { shards: 1, node: "n0" });
  const empty = await bench.lookAndSync(size.looks);

  note("writing what has ended …");
  // Every tenth shard had two attempts; an attempt has at most eight events beside its phases.
  const shards = Math.round(size.attempts / size.runs / 1.1);
  const phases = Math.max(0, Math.round(size.events / size.attempts - 7));
  let newest = "";
  for (let i = size.runs; i > 0; i--) {
    newest = await writeEndedRun(client, { shards, phases, metrics: 10, ageSeconds: (i + 1) * 3600 });
  }
  const full = await bench.lookAndSync(size.looks);
  const without = await bench.withoutIndexes(openIndexes, () => bench.lookAndSync(size.looks));

  note("writing outputs that wait …");
  await writeWaitingRun(client, { shards: size.waiting, node: "n1" });
  const waiting = await bench.lookAndSync(size.looks);

  note("submitting …");
  const wide = runOf([{ name: "wide", shards: size.open }]);
  const submit = await timed(() => submitRun(bench.database, wide));
  const first = await timed(bench.look.once);
  const open = await bench.lookAndSync(size.looks);
  const ended = `${size.attempts} ended attempts`;
  return {
    newest,
    measured: [
      {
        what: `look, ${ended}`,
        ms: full.look,
        emptyMs: empty.look,
        withoutMs: without.look,
        targetMs: targets.look,
      },
      {
        what: `sync, ${ended}`,
        ms: full.sync,
        emptyMs: empty.sync,
        withoutMs: without.sync,
        targetMs: targets.sync,
      },
      {
        what: `look, ${size.waiting} outputs wait`,
        ms: waiting.look,
        emptyMs: empty.look,
        targetMs: targets.waiting,
      },
      { what: `submit of ${size.open} shards`, ms: submit, targetMs: targets.submit },
      { what: "the first look after it", ms: first },
      { what: `look, ${size.open} shards wait`, ms: open.look, emptyMs: empty.look },
    ],
  };
}

/** What people ask of the newest ended run and of all; `watch` and what it starts are left out, which would begin to work. */
async function measureCommands(bench: Bench, run: string): Promise<CommandCost[]> {
  const commands = [
    "status",
    "status --json",
    `status ${run}`,
    `status ${run} --json`,
    `logs ${run}`,
    `logs ${run} fan --json`,
    `logs ${run} --json --tail 100000000`,
    `metrics ${run}`,
    `lineage ${run}`,
    `report ${run} --out -`,
    `diff ${run} ${run}`,
    `debug bundle ${run} -o ${join(bench.home, "bundle.tar.gz")}`,
    "gc --dry-run",
  ];
  const costs: CommandCost[] = [];
  for (const command of commands) {
    note(`legalone ${command} …`);
    costs.push(await bench.command(command));
  }
  return costs;
}

/** Serve's own parts on a real PostgreSQL, set up as users have it. */
class Bench {
  readonly home: string;
  readonly client: pg.Client;
  readonly database: Database;
  readonly look: ReturnType<typeof createLook>;
  readonly #doorbell: TimerDoorbell;
  readonly #leadership: Leadership;
  readonly #times = readTimes({});

  private constructor(home: string, spec: Awaited<ReturnType<typeof startPostgres>>, client: pg.Client) {
    const log = createLog({ level: "error" });
    this.home = home;
    this.client = client;
    this.database = openDatabase(spec);
    this.#doorbell = new TimerDoorbell(log);
    this.#leadership = Leadership.start(spec, { wake: () => {}, log, leaseMs: this.#times.lead });
    this.look = createLook({
      database: this.database,
      doorbell: this.#doorbell,
      policy: policyOf(this.#times),
      log,
      office: () => this.#leadership.office,
    });
  }

  static async open(): Promise<Bench> {
    const home = mkdtempSync(join(tmpdir(), "legalone-bench-"));
    // As root PostgreSQL runs as another user, who must get in.
    chmodSync(home, 0o711);
    for (const name of ["LEGALONE_DATABASE_URL", "LEGALONE_REDIS_URL", "LEGALONE_OWNER_PID"])
      delete process.env[name];
    process.env.LEGALONE_HOME = home;
    const spec = await startPostgres(home);
    await migrate(spec);
    const client = new pg.Client(poolConfig(spec));
    await client.connect();
    const bench = new Bench(home, spec, client);
    while (bench.#leadership.office === undefined) await sleep(10);
    return bench;
  }

  /** Medians, in ms. */
  async lookAndSync(times: number): Promise<{ look: number; sync: number }> {
    await this.client.query("vacuum analyze");
    const node = { pid: 1, build: "bench", address: "", engines: ["process"], npus: 0, slots: 2, info: {} };
    const [look, sync] = [[] as number[], [] as number[]];
    for (let i = 0; i < times; i++) {
      look.push(await timed(this.look.once));
      sync.push(await timed(() => syncNode(this.database, "n0", node, this.#times.nodeSilence)));
    }
    return { look: median(look), sync: median(sync) };
  }

  async withoutIndexes<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const { rows } = await this.client.query<{ indexname: string; indexdef: string }>(
      "select indexname, indexdef from pg_indexes where indexname = any($1)",
      [names],
    );
    for (const { indexname } of rows) await this.client.query(`drop index "${indexname}"`);
    try {
      return await work();
    } finally {
      for (const { indexdef } of rows) await this.client.query(indexdef);
    }
  }

  /** Rows of each table, counted: the statistics of the server only estimate them. */
  async rows(): Promise<Record<string, number>> {
    const { rows } = await this.client.query<{ name: string }>(
      "select relname as name from pg_stat_user_tables where relname ~ '^[A-Z]'",
    );
    const counts: [string, number][] = [];
    for (const { name } of rows) {
      const counted = await this.client.query<{ count: string }>(`select count(*) from "${name}"`);
      counts.push([name, Number(counted.rows[0]!.count)]);
    }
    return Object.fromEntries(counts.sort(([, a], [, b]) => b - a));
  }

  /** Runs a command of legalone to its end, and watches how much memory it takes at most. */
  async command(words: string): Promise<CommandCost> {
    const from = performance.now();
    const child = spawn(process.execPath, [join(packageRoot, "dist", "bin.js"), ...words.split(" ")], {
      cwd: this.home,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let [lines, kib, cpuSeconds] = [0, 0, 0];
    child.stdout.on("data", (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) lines++;
    });
    const seen = setInterval(() => {
      kib = Math.max(kib, peakKib(child.pid));
      cpuSeconds = Math.max(cpuSeconds, cpuOf(child.pid));
    }, 20);
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    clearInterval(seen);
    const seconds = Number(((performance.now() - from) / 1000).toFixed(1));
    const told = words.replace(this.home, "…");
    return { command: told, seconds, cpuSeconds, mib: Math.round(kib / 1024), lines, code };
  }

  async close(keep: boolean): Promise<void> {
    this.look.stop();
    await this.#doorbell.close();
    await this.#leadership.close();
    await this.database.$disconnect();
    await this.client.end();
    if (keep) return note(`LEGALONE_HOME=${this.home}`);
    await stopPostgres(this.home);
    removeFolder(this.home);
    removeFolder(socketFolder(this.home));
  }
}

function peakKib(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Seconds; ticks are a hundredth on every Linux there is. */
function cpuOf(pid: number | undefined): number {
  try {
    const words = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return (Number(words[11]) + Number(words[12])) / 100;
  } catch {
    return 0;
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return Number((performance.now() - from).toFixed(1));
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function rowsText(rows: Record<string, number>): string {
  return ["Run", "Attempt", "Shard", "Artifact", "Event", "Metric"]
    .map((name) => `${name} ${rows[name]?.toLocaleString("en")}`)
    .join(", ");
}

function table(measured: readonly Measured[]): string {
  const head = "| what | ms | empty history | x | without indexes | target |\n|---|---|---|---|---|---|";
  const rows = measured.map(({ what, ms, emptyMs, withoutMs, targetMs }) => {
    const verdict = targetMs === undefined ? "" : `${targetMs}: ${ms <= targetMs ? "met" : "missed"}`;
    const times = emptyMs === undefined ? "" : (ms / emptyMs).toFixed(1);
    return `| ${what} | ${ms} | ${emptyMs ?? ""} | ${times} | ${withoutMs ?? ""} | ${verdict} |`;
  });
  return [head, ...rows].join("\n");
}

function commandTable(commands: readonly CommandCost[]): string {
  const head = "| legalone | s | CPU s | MiB | lines | exit |\n|---|---|---|---|---|---|";
  const rows = commands.map(
    ({ command, seconds, cpuSeconds, mib, lines, code }) =>
      `| ${command} | ${seconds} | ${cpuSeconds} | ${mib} | ${lines} | ${code} |`,
  );
  return [head, ...rows].join("\n");
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
