import { execFile } from "node:child_process";
import { appendFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { packageRoot } from "../../../src/core/paths.ts";
import { digit, type Inject, picked } from "./types.ts";

const hash = "0".repeat(64);

/** Lines that no worker of ours writes. `home` is the workspace, whose neighbours they try to reach. */
function hostileLines(home: string, small: boolean): (string | Buffer)[] {
  const at = new Date().toISOString();
  const line = (fields: object) => JSON.stringify({ at, ...fields });
  const warning = (message: string) => line({ type: "warning", code: "poison", message });
  const progress = (step: string) =>
    `{"type":"progress","at":"${at}","step":${step},"of":${step},"unit":"step"}`;
  const metric = (name: string, step: string, value: string) =>
    `{"type":"metric","at":"${at}","name":${JSON.stringify(name)},"step":${step},"value":${value}}`;
  const output = (sha256: string, path: string, more: object = {}) =>
    line({ type: "artifact", kind: "model", path, sha256, bytes: 1, ...more });
  const checkpoint = (sha256: string, path: string, more: object = {}) =>
    line({ type: "checkpoint", path, step: 1, sha256, bytes: 1, cursor: {}, ...more });
  const places = [
    `${home}/x`,
    `${home}/postgres`,
    `${dirname(home)}/outside`,
    "/",
    `${home}/attempts/../x`,
    "../../x",
  ];
  const lies = places.flatMap((place) => [
    output("../../x", place),
    output(hash, place),
    output(hash, place, { uri: pathToFileURL(place).href }),
    checkpoint("../../x", place),
    checkpoint(hash, place, { uri: pathToFileURL(place).href }),
    checkpoint(hash, place, { step: 2 ** 31 }),
  ]);
  const deep = 5_000;
  return [
    warning("a zero \u0000 in it"),
    `{"type":"warning","at":"${at}","code":"\\u0000","message":"half \\ud800 a pair"}`,
    `{"type":"warning","at":"${at}","code":"x","message":"\\udfff","checkpoint":"../../x"}`,
    metric("a\u0000b", "1", "1"),
    metric("\ud800", "1", "1"),
    ...["2147483648", "9007199254740993", "9223372036854775808", "1e300", "-1", "1.5"].flatMap((step) => [
      progress(step),
      metric("poison", step, "1"),
    ]),
    metric("poison", "1", "1e999"),
    metric("n".repeat(100_000), "1", "1"),
    metric("__proto__", "1", "1"),
    metric("\u001b]0;title\u0007\u001b[2J", "1", "1"),
    line({ type: "constructor" }),
    line({ type: "started", attempt: "../../x", epoch: 2 ** 40, pid: -1 }),
    line({ type: "heartbeat", rssBytes: 2 ** 60, step: 2 ** 40 }),
    `{"type":"heartbeat","at":"99999-99-99T99:99:99Z"}`,
    `{"type":"checkpoint","at":"${at}","path":"step-1","step":1,"sha256":"${hash}","bytes":1e300,"cursor":{"row":1e400}}`,
    `{"type":"artifact","at":"${at}","kind":"../../x","path":"x","sha256":"${hash}","bytes":1,"meta":{"__proto__":{"a":1}}}`,
    ...lies,
    Buffer.from([0x7b, 0xff, 0xfe, 0x80, 0x22, 0xc3, 0x28, 0x7d]),
    Buffer.concat([
      Buffer.from(`{"type":"warning","at":"${at}","code":"x","message":"`),
      Buffer.from([0xff, 0xc0, 0x22, 0x7d]),
    ]),
    '{"type":"progress","at":"20',
    "null",
    "[]",
    '"started"',
    `${"[".repeat(deep)}${"]".repeat(deep)}`,
    `{"type":"artifact","at":"${at}","kind":"model","path":"x","sha256":"${hash}","bytes":1,"meta":${'{"a":'.repeat(deep)}1${"}".repeat(deep)}}`,
    ...(small ? [] : [warning("w".repeat(10_000_000)), "x".repeat(10_000_000)]),
  ];
}

/** A worker writes what no worker should; then, now and then, somebody collects garbage. */
const poisonedLines: Inject = async ({ site, plan, find, wait }, fault) => {
  const begun = () => site.runningAttempts().filter(({ folder }) => existsSync(folder.file("events.jsonl")));
  const attempt = await find(() => picked(begun(), fault));
  if (!attempt) return false;
  const home = dirname(dirname(attempt.folder.path));
  const lines = hostileLines(home, plan.smallDisk);
  const first = Math.floor(digit(fault, 1) * lines.length);
  const some = Array.from(
    { length: 1 + Math.floor(digit(fault, 2) * 5) },
    (_, i) => lines[(first + 7 * i) % lines.length]!,
  );
  for (const line of some)
    appendFileSync(
      attempt.folder.file("events.jsonl"),
      Buffer.concat([Buffer.from(line), Buffer.from("\n")]),
    );
  if (fault.pick < 0.3 && site.serves[0]!.home === home) {
    await wait(300);
    await collectGarbage(site.environment(home));
  }
  return true;
};

/** As a person or a timer would; when the database is away it says so. */
async function collectGarbage(env: NodeJS.ProcessEnv): Promise<void> {
  const words = [join(packageRoot, "dist", "bin.js"), "gc", "--json"];
  await promisify(execFile)(process.execPath, words, { env, timeout: 60_000 }).catch(() => {});
}

export const poisonFaults = { "poisoned-lines": poisonedLines } satisfies Record<string, Inject>;
