import { existsSync, realpathSync } from "node:fs";
import { availableParallelism } from "node:os";
import { sha256 } from "../../core/hash.ts";
import { dataFolder } from "../../core/paths.ts";
import { knownWorkspaceId } from "../../core/workspace-note.ts";
import { ascendMounts } from "./ascend.ts";
import type { ContainerPlace } from "./container-options.ts";

/** What the containers of the workspace `home` see of this machine. */
export function containerPlace(home: string): Omit<ContainerPlace, "attempts" | "node"> {
  const data = dataFolder();
  const ascend = ascendMounts();
  const formerly = sha256(existsSync(home) ? realpathSync(home) : home).slice(0, 8);
  return {
    workspace: knownWorkspaceId(home) || formerly,
    formerly,
    folders: existsSync(data) ? [data] : [],
    variables: {
      LEGALONE_HOME: home,
      LEGALONE_DATA: data,
      OMP_NUM_THREADS: process.env.OMP_NUM_THREADS ?? String(availableParallelism()),
      ...(ascend.devices.length > 0 ? { LEGALONE_DEVICE: "ascend" } : {}),
    },
    ascend,
  };
}
