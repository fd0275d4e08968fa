/** Names of what holds a secret, in variables, options and keys of JSON; not `tokens`, nor the name of a variable. */
const secretName = String.raw`[\w.-]*(?:token(?![a-z])|secret|password|passwd|credential|api[_-]?key|access[_-]?key|private[_-]?key|authorization)[\w.-]*(?<!_env)`;

/** Passwords in URLs, keys, bearer tokens and the like never reach a message, a log or an event. */
export function redact(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@"']*):[^\s@/"']+@/gi, "$1:***@")
    .replace(/\b(Bearer|token|api[_-]?key)([ =:]+)["']?[A-Za-z0-9._~+/-]{8,}["']?/gi, "$1$2***")
    .replace(namedSecret, hidden)
    .replace(wellKnown, "***")
    .replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g, "***");
}

/** `name=value`, `"name": "value"`, `name: value`; the value to its closing quote or the next space. */
const namedSecret = new RegExp(
  String.raw`(\b${secretName}\\?["']?\s*[=:]\s*)(\\?"[^"\\\s][^"\n]{5,}?\\?"|'[^'\s][^'\n]{5,}'|[^\s"',;{}[\]*\\]{8,})`,
  "gi",
);

/** Quotes stay, so that JSON stays JSON. */
function hidden(_: string, before: string, value: string): string {
  const quote = /^\\?["']/.exec(value)?.[0] ?? "";
  return `${before}${quote}***${quote}`;
}

/** Forms that need no name: keys of OpenAI, Hugging Face, GitHub, AWS, Slack, and JSON web tokens. */
const wellKnown =
  /\b(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})/g;

const isSecret = new RegExp(`^${secretName}$|(?:^|_)(?:key|auth)$`, "i");

/** Whether a variable of that name holds a secret. */
export function isSecretName(name: string): boolean {
  return isSecret.test(name);
}

/**
 * As `redact`, and these values wherever they stand. Short ones are left: they would take words of the text along.
 */
export function redactValues(text: string, values: Iterable<string>): string {
  let left = text;
  const long = [...new Set(values)].filter((value) => value.length >= 6).sort((a, b) => b.length - a.length);
  for (const value of long) {
    left = left.replaceAll(value, "***");
    // As it stands inside JSON.
    const escaped = JSON.stringify(value).slice(1, -1);
    if (escaped !== value) left = left.replaceAll(escaped, "***");
  }
  return redact(left);
}

/** As `redact`, of every text inside a value of JSON's kinds. */
export function redactWithin(value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map(redactWithin);
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redactWithin(inner)]));
}
