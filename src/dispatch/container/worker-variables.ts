/**
 * Names of environment variables that a job speaks of: texts under keys that end in `_env`, and `\${NAME}` in
 * other texts. A container gets these from the agent's environment, and nothing else of it.
 */
export function variablesOf(job: unknown): string[] {
  const names = new Set<string>();
  collect(job, "", names);
  return [...names].sort();
}

function collect(value: unknown, key: string, names: Set<string>): void {
  if (typeof value === "string") {
    if (key.endsWith("_env") && /^[A-Za-z_]\w*$/.test(value)) names.add(value);
    for (const [, name] of value.matchAll(/\$\{([A-Za-z_]\w*)\}/g)) if (name !== undefined) names.add(name);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, inner] of Object.entries(value))
      collect(inner, Array.isArray(value) ? key : name, names);
  }
}
