// A throw-away workspace with the whole of legalone running in it as a user's would: embedded PostgreSQL, Valkey,
// serve, agent, and the stage kinds of test/bench/control/stages.
import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newRun } from "../../../../dist/cli/actions/new-run.js";
import { loadPipeline } from "../../../../dist/config/load.js";
import { packageRoot, socketFolder } from "../../../../dist/core/paths.js";
import { openDatabase } from "../../../../dist/records/database.js";
import { submitRun } from "../../../../dist/records/runs.js";
import { databaseSpec } from "../../../../dist/services/addresses.js";
import { endDaemon } from "../../../../dist/services/daemon.js";
import { down, up } from "../../../../dist/services/up.js";

const stageKinds = join(packageRoot, "test", "bench", "control", "stages");

/** Opens a workspace and makes the program and what it starts use it; nothing runs yet. `env` is added for daemons. */
export function openWorkspace(env = {}) {
  const home = mkdtempSync(join(tmpdir(), "legalone-bench-"));
  // As root PostgreSQL runs as another user, who must get in.
  chmodSync(home, 0o711);
  const stages = join(home, "source", "stages");
  mkdirSync(stages, { recursive: true });
  for (const name of ["__init__.py", "requirements.txt", "_worker"])
    cpSync(join(packageRoot, "stages", name), join(stages, name), { recursive: true });
  cpSync(stageKinds, stages, { recursive: true });
  symlinkSync(join(packageRoot, "configs"), join(home, "source", "configs"));
  for (const name of ["LEGALONE_DATABASE_URL", "LEGALONE_REDIS_URL", "LEGALONE_SERVE_URL"])
    delete process.env[name];
  Object.assign(process.env, {
    LEGALONE_HOME: home,
    LEGALONE_STAGES: stages,
    LEGALONE_OWNER_PID: String(process.pid),
    ...env,
  });
  return new Workspace(home);
}

class Workspace {
  constructor(home) {
    this.home = home;
  }

  /** Starts everything; resolves to what runs, with the milliseconds it took. */
  async up() {
    const from = performance.now();
    this.daemons = await up(this.home);
    this.upMs = performance.now() - from;
    this.database = openDatabase(databaseSpec(this.home));
    return this;
  }

  /** Replaces the agent by one with so many slots. */
  async restartAgent(slots) {
    await endDaemon(join(this.home, "agent.json"), 10_000);
    const child = spawn(
      process.execPath,
      [join(packageRoot, "dist", "bin.js"), "agent", "--slots", String(slots)],
      { detached: true, stdio: "ignore" },
    );
    child.unref();
    const slotsOf = async () => (await this.database.node.findFirst({ where: { slots } }))?.slots;
    while ((await slotsOf()) !== slots) await new Promise((resolve) => setTimeout(resolve, 50));
    this.daemons.agent = { pid: child.pid };
  }

  /** Writes a pipeline of `steps` empty stages, each after the one before; returns the path. */
  chain(steps, salt) {
    const stages = Array.from({ length: steps }, (_, i) => {
      const needs = i > 0 ? `, needs: [s${i - 1}]` : "";
      return `  s${i}: {uses: empty${needs}, with: {salt: "${salt}"}}`;
    });
    return this.pipeline(`chain-${salt}`, stages);
  }

  /** Writes a pipeline of these stages (lines of YAML) on a cluster of configs/clusters; returns the path. */
  pipeline(name, stages, cluster = "this-machine") {
    const path = join(this.home, `${name}.yaml`);
    const head = `version: 1\nname: ${name}\ncluster: ${cluster}\nseed: 1\n`;
    writeFileSync(path, `${head}stages:\n${stages.join("\n")}\n`);
    return path;
  }

  /** Submits a pipeline file as `legalone train --detach` does. Returns the run and CLOCK_MONOTONIC (ns) before it. */
  async submit(file) {
    const run = newRun(loadPipeline(file, { set: [] }), file, readFileSync(file, "utf8"), {});
    const at = process.hrtime.bigint();
    const { run: id } = await submitRun(this.database, run);
    return { run: id, at };
  }

  /** Resolves when every stage of the run has ended. @throws Error when one failed, or after `patienceMs` */
  async ended(run, patienceMs = 600_000) {
    for (const until = Date.now() + patienceMs; Date.now() < until; ) {
      const stages = await this.database.stage.findMany({
        where: { runId: run },
        select: { name: true, state: true, message: true, endedAt: true },
      });
      const bad = stages.find(({ state }) => state === "FAILED" || state === "CANCELLED");
      if (bad) throw new Error(`stage ${bad.name} of ${run} is ${bad.state}: ${bad.message}`);
      if (stages.every(({ endedAt }) => endedAt !== null)) return;
      // Seldom: looking costs a core what is measured.
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    throw new Error(`run ${run} has not ended after ${patienceMs} ms`);
  }

  async close() {
    await this.database?.$disconnect();
    await down(this.home);
    for (const folder of [this.home, socketFolder(this.home)])
      rmSync(folder, { recursive: true, force: true });
  }
}
