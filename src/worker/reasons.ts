/** Classes of causes; retry budgets are kept per class. */
export type Cause =
  | "USER"
  | "DATA"
  | "NUMERIC"
  | "NPU"
  | "NETWORK"
  | "NODE"
  | "CAPACITY"
  | "OPERATOR"
  | "BUG";

/** Every reason why an attempt ended, with its cause; only `completed` has none. */
export const causeOf = {
  completed: null,
  stopped: "OPERATOR",
  cancelled: "OPERATOR",
  user_error: "USER",
  data_error: "DATA",
  resume_refused: "USER",
  nan_loss: "NUMERIC",
  out_of_memory: "NODE",
  disk_full: "NODE",
  endpoint_unavailable: "NETWORK",
  crashed: "BUG",
  killed: "NODE",
  left_unasked: "NODE",
  lost: "NODE",
  stalled: "NODE",
  timeout: "USER",
  stale_epoch: "OPERATOR",
  gate_failed: "DATA",
  upstream_failed: "DATA",
  dispatch_failed: "NODE",
} as const satisfies Record<string, Cause | null>;

export type Reason = keyof typeof causeOf;

/** The exit codes a worker may use; the same numbers stand in stages/_worker/failures.py. */
const reasonOfCode: Readonly<Record<number, Reason>> = {
  0: "completed",
  3: "resume_refused",
  64: "user_error",
  65: "data_error",
  69: "endpoint_unavailable",
  70: "crashed",
  71: "killed",
  74: "disk_full",
  75: "stopped",
  76: "nan_loss",
  77: "out_of_memory",
  // Of the shell: the program cannot be run, or is not there.
  126: "dispatch_failed",
  127: "dispatch_failed",
};

/** The reason an exit code stands for. A code outside the table is a bug of the worker. */
export function reasonOfExitCode(code: number): Reason {
  return reasonOfCode[code] ?? "crashed";
}

export function isReason(text: string): text is Reason {
  return Object.hasOwn(causeOf, text);
}

export type Budget = "infra" | "user" | "numeric" | "capacity";

/** The retry budget a cause draws from; OPERATOR causes are never retried. */
export function budgetOf(cause: Cause): Budget | null {
  switch (cause) {
    case "NODE":
    case "NETWORK":
    case "NPU":
      return "infra";
    case "USER":
    case "DATA":
    case "BUG":
      return "user";
    case "NUMERIC":
      return "numeric";
    case "CAPACITY":
      return "capacity";
    case "OPERATOR":
      return null;
    default:
      return unexpected(cause);
  }
}

function unexpected(cause: never): never {
  throw new Error(`no such cause: ${String(cause)}`);
}
