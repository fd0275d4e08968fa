import { join } from "node:path";
import { buildHash } from "../../core/build.ts";
import { readDaemon } from "../../services/daemon.ts";
import { type Check, ok, warn } from "./check.ts";

/** Serve and agent of this workspace. That they do not run is no fault: `train` starts them. */
export function daemonChecks(home: string): Check[] {
  return ["serve", "agent"].map((name) => {
    const note = readDaemon(join(home, `${name}.json`));
    if (note === undefined) return ok(name, "does not run; `legalone up` starts it");
    const seen = `process ${note.pid}${typeof note.address === "string" ? ` at ${note.address}` : ""}`;
    if (note.build === buildHash()) return ok(name, seen);
    return warn(name, `${seen}, of another build`, "`legalone up` replaces it; workers go on.");
  });
}
