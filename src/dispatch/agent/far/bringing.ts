import type { LaunchSpec } from "../../api/contract.ts";
import type { ServeClient } from "../serve-client.ts";
import type { FarStore } from "./far-store.ts";

/**
 * The launch with its inputs on this machine. While they come, serve hears every `everyMs` that the attempt is being
 * started here; when it no longer wants that, `cancel` is called and the transfer ends.
 */
export async function broughtWhileAlive(
  spec: LaunchSpec,
  {
    far,
    client,
    everyMs,
    cancel,
  }: { far: FarStore; client: ServeClient; everyMs: number; cancel: AbortController },
): Promise<LaunchSpec> {
  const alive = { epoch: spec.epoch, offset: 0, bytes: 0, lines: [] };
  const timer = setInterval(() => {
    client.events(spec.attempt, alive).then(
      (answer) => {
        if (answer.status === "stale" || (answer.status === "accepted" && answer.desired === "STOP"))
          cancel.abort();
      },
      () => {},
    );
  }, everyMs);
  try {
    return await far.bring(spec, cancel.signal);
  } finally {
    clearInterval(timer);
  }
}
