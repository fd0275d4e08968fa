/** One line of `legalone doctor`. `fix` is the next command or edit; every line that is not ok has one. */
export type Check = { name: string; seen: string } & (
  | { status: "ok" }
  | { status: "warn" | "fail"; fix: string; unreachable?: boolean }
);

export function ok(name: string, seen: string): Check {
  return { name, status: "ok", seen };
}

/** It works, with less than it could. */
export function warn(name: string, seen: string, fix: string): Check {
  return { name, status: "warn", seen, fix };
}

/** Runs would fail. */
export function fail(name: string, seen: string, fix: string): Check {
  return { name, status: "fail", seen, fix };
}

/** A server that does not answer, or not as it must: exit code 9 rather than 2. */
export function unreachable(name: string, seen: string, fix: string): Check {
  return { name, status: "fail", seen, fix, unreachable: true };
}
