import { mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkHome } from "../../src/core/own-folder.ts";
import { removeFolder } from "../support/remove-folder.ts";

test.each(["artifacts", "attempts"])("a workspace whose %s is a link is refused at once", (store) => {
  const root = mkdtempSync(join(tmpdir(), "legalone-own-folder-"));
  try {
    const home = join(root, "home");
    mkdirSync(home);
    mkdirSync(join(root, "disk"));
    expect(() => checkHome(home)).not.toThrow();
    symlinkSync(join(root, "disk"), join(home, store));
    expect(() => checkHome(home)).toThrow(`${join(home, store)} is a link to ${join(root, "disk")}`);
  } finally {
    removeFolder(root);
  }
});
