import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Device files of this machine's NPUs, in the order of their numbers; none on other machines. */
export function npuDevices(folder = "/dev"): string[] {
  const numbers = readdirSync(folder).flatMap((name) => /^davinci(\d+)$/.exec(name)?.[1] ?? []);
  return numbers
    .map(Number)
    .sort((a, b) => a - b)
    .map((number) => join(folder, `davinci${number}`));
}
