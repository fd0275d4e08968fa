import { isAbsolute } from "node:path";
import { LegaloneError } from "./errors.ts";

/** How to reach PostgreSQL. `host` is a name, an address, or the absolute folder of a unix socket. */
export interface ConnectionSpec {
  host: string;
  port: number;
  user: string;
  database: string;
  password?: string;
  /** TLS as asked for with `sslmode` in the URL: off, on without and on with a check of the certificate. */
  tls?: "off" | "on" | "verified";
}

/** How to reach Valkey or Redis: the path of a unix socket, or a URL. */
export type QueueSpec = { path: string } | { url: string };

/** The address in a text, when it is one of these protocols and its parts can be read. */
function addressIn(text: string, protocol: RegExp): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !protocol.test(url.protocol)) return undefined;
  try {
    for (const part of [url.hostname, url.username, url.password, url.pathname]) decodeURIComponent(part);
    return url;
  } catch {
    return undefined;
  }
}

/** Reads the address of a Valkey or Redis: a URL, or the absolute path of a unix socket. @throws LegaloneError E_USAGE */
export function parseRedisUrl(text: string): QueueSpec {
  if (isAbsolute(text)) return { path: text };
  if (addressIn(text, /^rediss?:$/)) return { url: text };
  throw new LegaloneError("E_USAGE", "LEGALONE_REDIS_URL is not the URL of a Valkey or Redis", {
    hint: "expected redis://:password@host:6379/0, rediss:// for TLS, or the path of a unix socket; a % of a password is written %25",
  });
}

/**
 * Reads a PostgreSQL URL. The socket folder of an embedded server stands in `?host=/folder`, as libpq has it.
 * @throws LegaloneError E_USAGE when it is not such a URL
 */
export function parseDatabaseUrl(text: string): ConnectionSpec {
  const url = addressIn(text, /^postgres(ql)?:$/);
  if (!url) {
    throw new LegaloneError("E_USAGE", "LEGALONE_DATABASE_URL is not a PostgreSQL URL", {
      hint: "expected postgresql://user:password@host:5432/database; a % of a password is written %25",
    });
  }
  const spec: ConnectionSpec = {
    host: url.searchParams.get("host") ?? (decodeURIComponent(url.hostname) || "localhost"),
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username) || "postgres",
    database: decodeURIComponent(url.pathname.slice(1)) || "legalone",
  };
  if (url.password) spec.password = decodeURIComponent(url.password);
  const mode = url.searchParams.get("sslmode");
  if (mode && mode !== "disable") spec.tls = mode.startsWith("verify") ? "verified" : "on";
  return spec;
}
