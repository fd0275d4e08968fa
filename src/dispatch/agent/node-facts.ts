import { statfsSync } from "node:fs";
import { arch, availableParallelism, freemem, hostname, platform, totalmem } from "node:os";
import type { SyncRequest } from "../api/contract.ts";
import { npuDevices } from "../npu-devices.ts";

/** What this machine offers. Sizes are in bytes. */
export function nodeFacts(
  home: string,
  slots: number,
): Pick<SyncRequest["agent"], "address" | "npus" | "slots" | "info"> {
  return {
    address: hostname(),
    npus: npuDevices().length,
    slots,
    info: {
      platform: `${platform()}-${arch()}`,
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      freeMemoryBytes: freemem(),
      freeDiskBytes: freeDisk(home),
      node: process.version,
    },
  };
}

/** A folder that was moved away is not made anew: two would be taken for the workspace then. */
function freeDisk(home: string): number {
  try {
    const { bavail, bsize } = statfsSync(home);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
