import { statfsSync } from "node:fs";
import { arch, availableParallelism, freemem, hostname, platform, totalmem } from "node:os";
import { makeHome } from "../../core/own-folder.ts";
import type { SyncRequest } from "../api/contract.ts";
import { npuDevices } from "../npu-devices.ts";

/** What this machine offers. Sizes are in bytes. */
export function nodeFacts(
  home: string,
  slots: number,
): Pick<SyncRequest["agent"], "address" | "npus" | "slots" | "info"> {
  makeHome(home);
  const disk = statfsSync(home);
  return {
    address: hostname(),
    npus: npuDevices().length,
    slots,
    info: {
      platform: `${platform()}-${arch()}`,
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      freeMemoryBytes: freemem(),
      freeDiskBytes: disk.bavail * disk.bsize,
      node: process.version,
    },
  };
}
