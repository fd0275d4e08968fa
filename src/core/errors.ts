import { type ErrorCode, errorCodes } from "./error-codes.ts";
import { redact, redactWithin } from "./redact.ts";

/** Exit codes of the command line; DESIGN of the product, documented in docs/errors.md. */
export const ExitCode = {
  ok: 0,
  bug: 1,
  usage: 2,
  refused: 3,
  stageFailed: 4,
  cancelled: 5,
  stillRunning: 6,
  notFound: 7,
  conflict: 8,
  unreachable: 9,
  gateFailed: 10,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface ErrorOptions {
  /** The next command or edit that mends it. */
  hint?: string;
  cause?: unknown;
  /** Ids and values a program may want: run, stage, path, … */
  fields?: Record<string, unknown>;
}

/**
 * An error a user can act on. `message` says what was seen and what was expected, `hint` what to do next.
 * `code` is listed in src/core/error-codes.ts, which gives its exit code and its line in docs/errors.md.
 */
export class LegaloneError extends Error {
  readonly code: string;
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  readonly fields: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LegaloneError";
    this.code = code;
    this.exitCode = errorCodes[code].exit;
    this.hint = options.hint === undefined ? undefined : redact(options.hint);
    this.fields = options.fields ?? {};
  }

  toJSON(): Record<string, unknown> {
    const fields = redactWithin(this.fields) as Record<string, unknown>;
    return { code: this.code, message: this.message, hint: this.hint, ...fields };
  }
}
