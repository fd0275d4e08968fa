import { workspace } from "../../core/paths.ts";
import { up } from "../../services/up.ts";
import { print } from "./output.ts";

/** Starts what one machine needs and says what it started. */
export async function runUp({ json }: { json?: boolean }): Promise<void> {
  const { started, replaced, serve, agent } = await up();
  const address = String(serve.address);
  if (json) {
    const pids = { serve: serve.pid, agent: agent.pid };
    print(JSON.stringify({ started, replaced, address, ...pids, home: workspace() }));
    return;
  }
  if (started.length > 0) print(`started ${started.join(", ")}`);
  if (replaced.length > 0) print(`replaced an older ${replaced.join(" and ")}; workers went on`);
  if (started.length + replaced.length === 0) print("everything runs already");
  print(`control plane at ${address}, workspace ${workspace()}`);
}
