import type { Log } from "../../../core/log.ts";
import type { EventLine, LaunchSpec } from "../../api/contract.ts";
import type { ServeClient } from "../serve-client.ts";
import type { FarStore } from "./far-store.ts";

/**
 * The launch with its inputs on this machine. While they come, serve hears every `everyMs` that the attempt is being
 * started here; when it no longer wants that, `cancel` is called and the transfer ends. What is damaged at serve is told
 * before the worker begins.
 */
export async function broughtWhileAlive(
  spec: LaunchSpec,
  {
    far,
    client,
    everyMs,
    cancel,
    log,
  }: { far: FarStore; client: ServeClient; everyMs: number; cancel: AbortController; log: Log },
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
    const brought = await far.bring(spec, cancel.signal);
    await tell(brought.warnings);
    return brought.spec;
  } finally {
    clearInterval(timer);
  }

  /** Serve that is away hears it from the next attempt, which finds the same. */
  async function tell(warnings: EventLine[]): Promise<void> {
    if (warnings.length === 0) return;
    await client.events(spec.attempt, { ...alive, lines: warnings }).catch((error: unknown) => {
      log.warn("damaged checkpoints could not be told", { attempt: spec.attempt, error });
    });
  }
}
