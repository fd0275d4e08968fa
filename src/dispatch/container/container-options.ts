import { fileURLToPath } from "node:url";
import type { ContainerCreateOptions } from "dockerode";
import type { Launch } from "../engine.ts";
import type { AscendMounts } from "./ascend.ts";
import { containerInit } from "./container-init.ts";
import { variablesOf } from "./worker-variables.ts";

/** Labels of our containers. */
export const label = {
  attempt: "legalone.attempt",
  workspace: "legalone.workspace",
  node: "legalone.node",
} as const;

/** What all containers of an agent have in common. */
export interface ContainerPlace {
  /** Folder of all attempts. */
  attempts: string;
  /** Name of the workspace, so that several share one container engine. */
  workspace: string;
  /** Name of the node, so that several share one workspace. */
  node: string;
  /** Folders that workers read and write, mounted at the same path: job files hold absolute paths. */
  folders: { path: string; writable: boolean }[];
  /** Set in every container. */
  variables: Record<string, string>;
  ascend: AscendMounts;
}

/** The container of a launch. Its name is the attempt, so making it twice makes it once. */
export function containerOptions(launch: Launch, place: ContainerPlace): ContainerCreateOptions {
  const { attempt, folder, image, main, job } = launch;
  const named = variablesOf(job).flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const set = Object.entries({ ...place.variables, ...launch.env }).map(
    ([name, value]) => `${name}=${value}`,
  );
  const folders = [...place.folders, ...inputFolders(job, place)];
  const binds = folders.map(({ path, writable }) => `${path}:${path}:${writable ? "rw" : "ro"}`);
  return {
    name: attempt,
    ...(image === undefined ? {} : { Image: image }),
    // Not the entrypoint: images set up their accelerator there.
    Cmd: ["/bin/sh", "-c", containerInit, "legalone", ...main],
    WorkingDir: folder,
    Env: [...set, ...named],
    // Who owns the workspace outside must own what is written inside.
    User: `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`,
    Labels: { [label.attempt]: attempt, [label.workspace]: place.workspace, [label.node]: place.node },
    HostConfig: {
      NetworkMode: "host",
      Binds: [...binds, ...place.ascend.driver.map((path) => `${path}:${path}:ro`)],
      Devices: place.ascend.devices.map((path) => ({
        PathOnHost: path,
        PathInContainer: path,
        CgroupPermissions: "rwm",
      })),
      // Collective communication keeps its buffers there; the usual 64 MiB is too little for one rank.
      ShmSize: 16 * 2 ** 30,
      RestartPolicy: { Name: "no" },
    },
  };
}

/** Inputs that lie elsewhere, such as a model from outside the run. */
function inputFolders(job: Record<string, unknown>, place: ContainerPlace): ContainerPlace["folders"] {
  const inputs = Array.isArray(job.inputs) ? (job.inputs as { uri?: unknown }[]) : [];
  const paths = inputs.flatMap(({ uri }) =>
    typeof uri === "string" && uri.startsWith("file:") ? [fileURLToPath(uri)] : [],
  );
  const covered = (path: string) => place.folders.some((folder) => `${path}/`.startsWith(`${folder.path}/`));
  return [...new Set(paths)].filter((path) => !covered(path)).map((path) => ({ path, writable: false }));
}
