import { existsSync } from "node:fs";
import { npuDevices } from "../npu-devices.ts";

/** What a container needs of an Ascend node: the NPUs, and the node's own driver. Empty on other machines. */
export interface AscendMounts {
  /** Device files. */
  devices: string[];
  /** Files and folders of the driver, mounted read-only at the same path. */
  driver: string[];
}

const managers = ["/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"];
const driverPaths = [
  "/usr/local/dcmi",
  "/usr/local/bin/npu-smi",
  "/usr/local/sbin/npu-smi",
  "/usr/local/Ascend/driver/lib64",
  "/usr/local/Ascend/driver/version.info",
  "/etc/ascend_install.info",
  // Without it jobs over several nodes do not find each other.
  "/etc/hccn.conf",
];

/** Looks at `/dev` and the driver's paths of this machine. Which NPUs a worker sees is said by its environment. */
export function ascendMounts(): AscendMounts {
  const npus = npuDevices();
  if (npus.length === 0) return { devices: [], driver: [] };
  return {
    devices: [...npus, ...managers].filter((path) => existsSync(path)),
    driver: driverPaths.filter((path) => existsSync(path)),
  };
}
