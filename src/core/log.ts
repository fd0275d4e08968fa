import { appendFileSync, fstatSync, mkdirSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { isatty } from "node:tty";
import { LegaloneError } from "./errors.ts";
import { redact } from "./redact.ts";
import { visible } from "./text.ts";

const levels = { debug: 10, info: 20, warn: 30, error: 40 } as const;
export type LogLevel = keyof typeof levels;

export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A log that adds these fields to every line. */
  with(fields: Record<string, unknown>): Log;
}

export interface LogOptions {
  /** Lines are appended here; without it they go to standard error. */
  file?: string;
  level?: LogLevel;
  fields?: Record<string, unknown>;
}

/** Structured log: one JSON object a line, `{at, level, message, …fields}`, secrets redacted. */
export function createLog(options: LogOptions = {}): Log {
  const { file, fields = {} } = options;
  const level = options.level ?? (process.env.LEGALONE_LOG_LEVEL as LogLevel | undefined) ?? "info";
  if (file) mkdirSync(dirname(file), { recursive: true });
  const write =
    (at: LogLevel) =>
    (message: string, more: Record<string, unknown> = {}) => {
      if (levels[at] < (levels[level] ?? levels.info)) return;
      const line = { at: new Date().toISOString(), level: at, message, ...fields, ...more };
      const text = `${visible(redact(JSON.stringify(line, plain)))}\n`;
      if (file) attempted(() => appendFileSync(file, text));
      else if (isFile(process.stderr.fd)) attempted(() => writeSync(process.stderr.fd, text));
      else process.stderr.write(text);
    };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    with: (more) => createLog({ ...options, fields: { ...fields, ...more } }),
  };
}

/**
 * A line that a full disk does not take is lost; what it tells about goes on. Written past the stream of standard error,
 * which ends its process at such an error, or never writes again.
 */
function attempted(write: () => void): void {
  try {
    write();
  } catch {
    // The next one may find room.
  }
}

function isFile(descriptor: number): boolean {
  try {
    const seen = fstatSync(descriptor);
    return seen.isFile() || (seen.isCharacterDevice() && !isatty(descriptor));
  } catch {
    return false;
  }
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof LegaloneError) return value.toJSON();
  if (value instanceof Error) return { name: value.name, message: value.message, stack: value.stack };
  return value;
}
