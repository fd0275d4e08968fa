import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { environmentError } from "../../src/core/system-errors.ts";
import { databaseError, isUnreachable } from "../../src/records/database.ts";

async function thrown(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test("errors of files are never the database's, however they are wrapped; those of its socket are", async () => {
  const folder = mkdtempSync(join(tmpdir(), "legalone-test-"));
  try {
    writeFileSync(join(folder, "file"), "");
    for (const path of [join(folder, "none"), join(folder, "file", "x")]) {
      const error = await thrown(() => readFileSync(path));
      for (const wrapped of [error, new Error("of the work", { cause: error })]) {
        expect(isUnreachable(wrapped)).toBe(false);
        expect(databaseError(wrapped)).toBe(wrapped);
        expect(environmentError(wrapped)).toMatchObject({
          code: "E_FILE",
          message: expect.stringContaining(path),
        });
      }
    }
    const client = new pg.Client({ host: folder, port: 5432, user: "legalone" });
    expect(isUnreachable(await thrown(() => client.connect()))).toBe(true);
    const fetched = await thrown(() => fetch("http://127.0.0.1:9/"));
    expect(isUnreachable(fetched)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("what is no error of the system stays a bug", async () => {
  expect(environmentError(new TypeError("x is not a function"))).toBeUndefined();
  expect(environmentError(undefined)).toBeUndefined();
  const refused = await thrown(
    () => new Promise((_, reject) => createConnection({ port: 9 }).once("error", reject)),
  );
  expect(environmentError(refused)).toMatchObject({ code: "E_SERVE" });
  expect(environmentError(await thrown(() => readFileSync("a\0b")))).toMatchObject({ code: "E_USAGE" });
});
