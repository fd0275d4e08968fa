import { isSecretName } from "./redact.ts";

// Which environment variables a worker sees. A worker gets the base of its agent's environment, the variables that its
// job names and its cluster allows, and what the cluster sets; nothing else.

/** What a job may name where its cluster's file has no `variables`: the corpus, and servers with their keys. */
export const defaultVariables = [
  "LEGALONE_CORPUS",
  "LEGALONE_JUDGE_KEY",
  "LEGALONE_JUDGE_URL",
  "LEGALONE_ROLLOUT_KEY",
  "LEGALONE_ROLLOUT_URL",
  "LEGALONE_TEACHER_KEY",
  "LEGALONE_TEACHER_URL",
];

/** The only variables of ours that a job may name: all others are of the control plane or of an agent. */
const namable = new Set(defaultVariables);

/** What decides which programs and libraries a process loads, whatever the program is. */
const loaders =
  /^(?:PATH|HOME|ENV|IFS|SHELL|BASH_.*|LD_.*|DYLD_.*|PYTHON.*|NODE_.*|NPM_.*|JAVA_.*|PERL.*|RUBY.*|GIT_.*|GCONV_PATH|GLIBC_.*|MALLOC_.*|.*_(?:PATH|HOME|DIR|FILE|LIB|LIBRARY|PRELOAD|OPTIONS))$/i;

/** Whether a job may name the variable at all, if its cluster allows it. */
export function mayBeNamed(name: string): boolean {
  if (!/^[A-Z][A-Z0-9_]{0,99}$/.test(name) || /^(?:PATH|HOME|SHELL|LD_|PYTHON|NODE_)/.test(name))
    return false;
  return !name.startsWith("LEGALONE_") || namable.has(name);
}

const tuned =
  /^(?:HCCL|MS|GLOG|ASCEND|OMP|MKL|OPENBLAS|KMP|GOMP|NUMEXPR|CUDA|NCCL|TOKENIZERS)_[A-Za-z0-9_]+$/;
const settable = new Set(["TZ", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]);
const oursSettable = new Set(["LEGALONE_DEVICE", "LEGALONE_HELDOUT_DEVICE"]);

/** Whether a cluster's `env` may set the variable: it tunes what runs, and loads nothing. */
export function mayBeSet(name: string): boolean {
  if (oursSettable.has(name) || settable.has(name)) return true;
  return tuned.test(name) && !loaders.test(name) && !isSecretName(name);
}

const base = new Set(
  `PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR TMP TEMP XDG_CACHE_HOME
   HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
   SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE LD_LIBRARY_PATH TOOLCHAIN_HOME
   HF_HOME HF_HUB_OFFLINE TRANSFORMERS_OFFLINE NVIDIA_VISIBLE_DEVICES
   LEGALONE_DEVICE LEGALONE_HELDOUT_DEVICE LEGALONE_MINDFORMERS LEGALONE_COMPILE_CACHE LEGALONE_MODELS LEGALONE_STAGES`.split(
    /\s+/,
  ),
);

/** Of an agent's environment what every worker gets: the machine's programs, languages, proxies and accelerators. */
export function baseEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ([name]: [string, unknown]) =>
    base.has(name) || ((/^LC_[A-Z]+$/.test(name) || tuned.test(name)) && !isSecretName(name));
  return Object.fromEntries(Object.entries(environment).filter(kept));
}

/** A variable at the beginning of an address: it stands for a folder, `${NAME}/below/it`. */
const atHead = /^\$\{([A-Z][A-Z0-9_]*)\}(?=\/|$)/;

/** The variable that an address begins with; undefined for one without. */
export function headOf(address: string): string | undefined {
  return atHead.exec(address)?.[1];
}

/** Whether `${…}` stands in an address elsewhere than as the folder it begins with. */
export function isMisplaced(address: string): boolean {
  return address.replace(atHead, "").includes("${");
}

export interface NamedVariable {
  name: string;
  path: (string | number)[];
}

/** Variables that options speak of: texts under keys that end in `_env`, and `${NAME}` at the head of other texts. */
export function namedVariables(value: unknown): NamedVariable[] {
  const found: NamedVariable[] = [];
  collect(value, "", [], found);
  return found;
}

function collect(value: unknown, key: string, path: (string | number)[], found: NamedVariable[]): void {
  if (typeof value === "string") {
    const name = key.endsWith("_env") ? value : headOf(value);
    if (name) found.push({ name, path });
  } else if (Array.isArray(value)) {
    for (const [i, inner] of value.entries()) collect(inner, key, [...path, i], found);
  } else if (typeof value === "object" && value !== null) {
    for (const [inside, inner] of Object.entries(value)) collect(inner, inside, [...path, inside], found);
  }
}

/** Of `allowed` the variables that a job names and that may be named, sorted. */
export function jobVariables(job: unknown, allowed: readonly string[] = defaultVariables): string[] {
  const names = namedVariables(job).map(({ name }) => name);
  return [...new Set(names)].filter((name) => allowed.includes(name) && mayBeNamed(name)).sort();
}

/** What a worker's environment says of the variables it may read. */
export function variableValues(
  names: readonly string[] = [],
  environment: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const values = names.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { LEGALONE_VARIABLES: names.join(","), ...Object.fromEntries(values) };
}

/** Puts `${NAME}` where the value of such a variable stands; short values are left, as they are words of any text. */
export function variableHider(
  names: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): (text: string) => string {
  const known = names
    .map((name) => ({ name, value: environment[name] ?? "" }))
    .filter(({ value }) => value.length >= 6)
    .sort((a, b) => b.value.length - a.value.length);
  return (text) =>
    known.reduce((left, { name, value }) => {
      // As it stands in JSON too.
      const escaped = JSON.stringify(value).slice(1, -1);
      return left.replaceAll(value, `\${${name}}`).replaceAll(escaped, `\${${name}}`);
    }, text);
}
