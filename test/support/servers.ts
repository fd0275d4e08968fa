import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionSpec, QueueSpec } from "../../src/core/connections.ts";
import { socketFolder } from "../../src/core/paths.ts";
import { startPostgres, stopPostgres } from "../../src/services/postgres.ts";
import { startValkey, stopValkey } from "../../src/services/valkey.ts";
import { removeFolder } from "./remove-folder.ts";

/** A workspace of one test file. */
export interface TestWorkspace {
  /** Value of LEGALONE_HOME, which is set for this process and what it starts. */
  home: string;
  remove(): void;
}

export interface Servers {
  database: ConnectionSpec;
  redis: QueueSpec;
  home: string;
  stop(): Promise<void>;
}

/**
 * A fresh workspace in a temporary folder, removed by remove() and, when the test runner is killed, soon
 * after its end. Sets LEGALONE_HOME and LEGALONE_OWNER_PID and unsets the addresses of outside servers.
 */
export function openWorkspace({ mode = 0o711 } = {}): TestWorkspace {
  const home = mkdtempSync(join(tmpdir(), "legalone-test-"));
  // As root PostgreSQL runs as another user, who must get in (or find its data elsewhere).
  chmodSync(home, mode);
  process.env.LEGALONE_HOME = home;
  process.env.LEGALONE_OWNER_PID = String(process.pid);
  delete process.env.LEGALONE_DATABASE_URL;
  delete process.env.LEGALONE_REDIS_URL;
  const folders = [home, socketFolder(home)];
  const wait = `while kill -0 ${process.pid} 2>/dev/null && [ -e "$1" ]; do sleep 1; done; sleep 3; rm -rf "$@"`;
  spawn("/bin/sh", ["-c", wait, "legalone-test-cleaner", ...folders], {
    detached: true,
    stdio: "ignore",
  }).unref();
  return {
    home,
    remove: () => {
      for (const folder of folders) removeFolder(folder);
    },
  };
}

/** A real PostgreSQL (empty database) and a real Valkey of this test file's own. Takes 0.3 s. */
export async function startServers({ mode = 0o711 } = {}): Promise<Servers> {
  const { home, remove } = openWorkspace({ mode });
  const [database, redis] = await Promise.all([startPostgres(home), startValkey(home)]);
  const stop = async () => {
    await Promise.all([stopPostgres(home), stopValkey(home)]);
    remove();
  };
  return { database, redis, home, stop };
}
