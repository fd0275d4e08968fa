import { join } from "node:path";
import { workspace } from "../../core/paths.ts";
import { readDaemon } from "../../services/daemon.ts";

const patienceMs = 3_000;

/** Where the control plane of this workspace answers: LEGALONE_SERVE_URL, or its note; undefined when it does not run. */
function serveAddress(): string | undefined {
  const elsewhere = process.env.LEGALONE_SERVE_URL;
  if (elsewhere) return elsewhere;
  const address = readDaemon(join(workspace(), "serve.json"))?.address;
  return typeof address === "string" ? address : undefined;
}

/** Whether the control plane answers now. */
export async function serveAnswers(): Promise<boolean> {
  const address = serveAddress();
  if (address === undefined) return false;
  try {
    const response = await fetch(new URL("/healthz", address), { signal: AbortSignal.timeout(patienceMs) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
