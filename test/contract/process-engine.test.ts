import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ProcessEngine } from "../../src/dispatch/process/process-engine.ts";
import { sessionMembers, signal } from "../../src/dispatch/process/session.ts";
import { engineConformance } from "./engine-conformance.ts";

engineConformance("process", {
  open: (attempts) => new ProcessEngine({ attempts, env: { PATH: process.env.PATH } }),
  destroy: async (_engine, attempt, attempts) => {
    const { pid } = JSON.parse(readFileSync(join(attempts, attempt, "pid.json"), "utf8")) as { pid: number };
    const members = sessionMembers(pid);
    signal(pid, "SIGKILL");
    for (const member of members) signal(member, "SIGKILL");
  },
});
