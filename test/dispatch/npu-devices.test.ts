import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { npuDevices } from "../../src/dispatch/npu-devices.ts";

it("counts NPUs by their device files, not the manager's, in the order of their numbers", () => {
  const folder = mkdtempSync(join(tmpdir(), "legalone-dev-"));
  try {
    for (const name of ["davinci10", "davinci2", "davinci0", "davinci_manager", "hisi_hdc", "null"]) {
      writeFileSync(join(folder, name), "");
    }
    expect(npuDevices(folder)).toEqual(
      ["davinci0", "davinci2", "davinci10"].map((name) => join(folder, name)),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
