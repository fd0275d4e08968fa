import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ResolvedPipeline } from "../../config/types.ts";
import { LegaloneError } from "../../core/errors.ts";
import { recordedConfig } from "../../core/recorded.ts";
import { isSecretName } from "../../core/redact.ts";
import { defaultVariables } from "../../core/variables.ts";

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

/** Those of a run: also of one whose configuration cannot be used, then of the usual variables. */
export function secretsOf(run: { id: string; config: unknown }, home: string): string[] {
  return knownSecrets(home, process.env, variablesOf(run));
}

function variablesOf(run: { id: string; config: unknown }): readonly string[] {
  try {
    return recordedConfig<ResolvedPipeline>(run).cluster.variables ?? defaultVariables;
  } catch (error) {
    if (error instanceof LegaloneError) return defaultVariables;
    throw error;
  }
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
