import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/core/paths.ts";

test.each([
  ["standard error", "{}"],
  ["a file", '{ file: "/dev/full" }'],
])("a log on a full disk loses its lines and ends nobody: %s", async (_, options) => {
  const script = `
    const { createLog } = await import(${JSON.stringify(join(packageRoot, "dist", "core", "log.js"))});
    const log = createLog(${options});
    for (let i = 0; i < 3; i++) log.error("no room", { i });
    await new Promise((resolve) => setTimeout(resolve, 50));
    log.info("still here");
    process.stdout.write("alive");`;
  const full = openSync("/dev/full", "w");
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", full],
  });
  closeSync(full);
  let said = "";
  child.stdout!.on("data", (data: Buffer) => {
    said += data;
  });
  const [code] = await once(child, "close");
  expect({ code, said }).toEqual({ code: 0, said: "alive" });
});
