import { LegaloneError } from "./errors.ts";

/**
 * Every waiting time of the control plane, in milliseconds at scale 1.
 * `LEGALONE_TIME_SCALE` multiplies those of the protocol (tests run at 0.01); `LEGALONE_TIME_<NAME>` in milliseconds
 * replaces one, for example `LEGALONE_TIME_LEASE=30000`, and is not scaled.
 */
export const defaultTimes = {
  /** A worker's sign of life. */
  heartbeat: 10_000,
  /** An attempt not heard of for 9 heartbeats is UNREACHABLE. */
  lease: 90_000,
  /** An UNREACHABLE attempt is given up after this, when its agent is fenced by a newer epoch. */
  grace: 900_000,
  /** When most nodes fell silent together, an UNREACHABLE attempt is given up after this instead. */
  blackout: 14_400_000,
  /** The reconciler looks at the rows at least this often; doorbells only make it sooner. */
  reconcile: 10_000,
  /** An agent asks for work at least this often. */
  sync: 5_000,
  /** An attempt nobody picked up is dispatched anew. */
  dispatch: 300_000,
  /** From SIGTERM to SIGKILL: time to save a checkpoint. */
  stop: 120_000,
  /** No step for this long, or for 10 median steps, in the training phase is a stall. */
  stall: 600_000,
  /** No step and no word (a phase said again) for this long outside of training is a stall; never scaled, since work takes the time it takes. */
  stallLoading: 14_400_000,
  stallCompiling: 14_400_000,
  stallSaving: 7_200_000,
  /** First wait before a retry; it doubles with every retry, with jitter. */
  backoff: 5_000,
  /** Longest wait before a retry. */
  backoffLimit: 600_000,
  /** A node whose attempt failed with a cause of the node gets no new one for this long. */
  cooldown: 120_000,
  /** The serve that decides renews its office three times in this long; one that does not is put out of it by another. */
  lead: 15_000,
  /** A node not heard of for this long gets no new attempts. */
  nodeSilence: 30_000,
  /** A starting serve waits this long for its database; never scaled, since a server takes the time it takes. */
  databaseWait: 20_000,
} as const;

const unscaled: ReadonlySet<string> = new Set([
  "databaseWait",
  "stallLoading",
  "stallCompiling",
  "stallSaving",
] satisfies (keyof typeof defaultTimes)[]);

export type Times = { readonly [K in keyof typeof defaultTimes]: number };

/** The times in force. @throws LegaloneError E_USAGE on a scale or time that is not a positive number */
export function readTimes(env: NodeJS.ProcessEnv = process.env): Times {
  const scale = positive("LEGALONE_TIME_SCALE", env.LEGALONE_TIME_SCALE) ?? 1;
  const times: Record<string, number> = {};
  for (const [name, value] of Object.entries(defaultTimes)) {
    const variable = `LEGALONE_TIME_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
    times[name] = positive(variable, env[variable]) ?? (unscaled.has(name) ? value : value * scale);
  }
  return times as Times;
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) {
    throw new LegaloneError("E_USAGE", `${name} is ${JSON.stringify(text)}; expected a number above 0`);
  }
  return value;
}
