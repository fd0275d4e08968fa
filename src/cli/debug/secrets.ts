import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isSecretName } from "../../core/redact.ts";

/**
 * Values that must not leave this machine: of environment variables whose names say so, passwords in addresses that
 * variables hold, of the `variables` that the jobs of a run may name, and the token of the control plane.
 */
export function knownSecrets(
  home: string,
  env: NodeJS.ProcessEnv = process.env,
  variables: readonly string[] = [],
): string[] {
  const values = Object.entries(env).flatMap(([name, value]) => {
    if (!value) return [];
    return isSecretName(name) || variables.includes(name) ? [value] : passwordsIn(value);
  });
  return [...values, ...tokenOf(join(home, "serve.json"))];
}

function passwordsIn(value: string): string[] {
  const found = [...value.matchAll(/\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:([^\s@/]+)@/gi)].map(
    (match) => match[1]!,
  );
  return found.flatMap((password) => [password, decoded(password)]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function tokenOf(note: string): string[] {
  try {
    const { token } = JSON.parse(readFileSync(note, "utf8")) as { token?: unknown };
    return typeof token === "string" ? [token] : [];
  } catch {
    return [];
  }
}
