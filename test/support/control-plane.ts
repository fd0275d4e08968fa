import { Artifacts } from "../../src/cli/serve/artifacts.ts";
import { Control } from "../../src/cli/serve/control.ts";
import { createLook } from "../../src/cli/serve/look.ts";
import { policyOf } from "../../src/cli/serve/policy.ts";
import type { ConnectionSpec } from "../../src/core/connections.ts";
import { createLog } from "../../src/core/log.ts";
import { readTimes, type Times } from "../../src/core/times.ts";
import { defaultLimits, type Limits } from "../../src/dispatch/api/limits.ts";
import { createApi } from "../../src/dispatch/api/server.ts";
import { AnswerRound, TimerDoorbell } from "../../src/dispatch/doorbell/timer-doorbell.ts";
import { type Database, openDatabase } from "../../src/records/database.ts";
import { Leadership } from "../../src/records/leadership.ts";
import { migrate } from "../../src/records/migrate.ts";

export interface ControlPlane {
  database: Database;
  address: string;
  token: string;
  times: Times;
  /** Resolves when a look that began after this call is over. */
  look(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Serve within the test's process, at a hundredth of all times: records, reconciler, HTTP; timers for bells. With `home`
 * it has a store there for agents of other folders.
 */
export async function startControlPlane(
  spec: ConnectionSpec,
  more: Partial<Times> = {},
  home?: string,
  limits: Partial<Limits> = {},
): Promise<ControlPlane> {
  await migrate(spec);
  const times = { ...readTimes({ LEGALONE_TIME_SCALE: "0.01" }), ...more };
  const log = createLog({ level: "error" });
  const database = openDatabase(spec);
  const doorbell = new TimerDoorbell(log);
  const look = createLook({
    database,
    ...(home === undefined ? {} : { home }),
    doorbell,
    policy: policyOf(times),
    log,
    office: () => leadership.office,
  });
  const round = new AnswerRound(look.once, log);
  const wake = () => void round.call(undefined);
  look.onLater(wake);
  let lead = () => {};
  const gained = new Promise<void>((resolve) => {
    lead = resolve;
  });
  const leadership = Leadership.start(spec, {
    wake: () => {
      lead();
      wake();
    },
    log,
    leaseMs: times.lead,
  });
  const token = "test-token-test-token";
  const artifacts = home === undefined ? undefined : new Artifacts(database, home, log);
  const control = new Control({
    ...{ database, times, wake, queueHealthy: () => false },
    ...(artifacts === undefined ? {} : { artifacts }),
  });
  const api = createApi(control, token, log, artifacts, { ...defaultLimits, ...limits });
  const address = await api.listen({ host: "127.0.0.1", port: 0 });
  doorbell.listen("reconcile", () => round.call(undefined), { everyMs: times.reconcile });
  await gained;
  return {
    database,
    address,
    token,
    times,
    look: () => round.call(undefined),
    stop: async () => {
      await api.close();
      look.stop();
      await doorbell.close();
      await round.idle();
      await leadership.close();
      await database.$disconnect();
    },
  };
}
