import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import type { ContainerCreateOptions } from "dockerode";
import { LegaloneError } from "../../core/errors.ts";
import { isPrivate } from "../../core/places.ts";
import { namedVariables, variableValues } from "../../core/variables.ts";
import { type Launch, pathsOf } from "../engine.ts";
import type { AscendMounts } from "./ascend.ts";
import { containerInit } from "./container-init.ts";

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
  /** Name of the workspace, which it keeps where it is moved, so that several share one container engine. */
  workspace: string;
  /** What older programs had for its name: containers outlive them. */
  formerly?: string;
  /** Name of the node, so that several share one workspace. */
  node: string;
  /** Folders that every worker may read, mounted at the same path: job files hold absolute paths. */
  folders: string[];
  /** Set in every container. */
  variables: Record<string, string>;
  ascend: AscendMounts;
}

/**
 * What the agent writes into the attempt's folder before a container begins, and believes after: a worker that could write
 * them would say what runs on the agent's machine.
 */
const agentNotes = ["job.json", "launch.json", "engine.json", "prepare"];

/**
 * The container of a launch. Of the workspace it sees its attempt's folder, its inputs and the checkpoints it may go on
 * from; nothing else. Its name is the attempt, so making it twice makes it once.
 */
export function containerOptions(launch: Launch, place: ContainerPlace): ContainerCreateOptions {
  const { attempt, folder, image, main, job } = launch;
  const variables = { ...place.variables, ...launch.env, ...variableValues(launch.variables) };
  const set = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const read = [...new Set([...place.folders, ...pathsOf(job), ...sourceFolders(launch, place)])];
  for (const path of read) refuseMount(path, dirname(place.attempts));
  const kept = agentNotes.map((name) => join(folder, name)).filter((path) => existsSync(path));
  const binds = [`${folder}:${folder}:rw`, ...[...kept, ...read].map((path) => `${path}:${path}:ro`)];
  return {
    name: attempt,
    ...(image === undefined ? {} : { Image: image }),
    // Not the entrypoint: images set up their accelerator there.
    Cmd: ["/bin/sh", "-c", containerInit, "legalone", ...main],
    WorkingDir: folder,
    Env: set,
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

/** Folders of sources that the job begins addresses with, `${NAME}/…`; never one that opens the workspace. */
function sourceFolders({ job, variables = [] }: Launch, { attempts }: ContainerPlace): string[] {
  const heads = namedVariables(job).filter(({ path }) => !String(path.at(-1)).endsWith("_env"));
  return heads
    .filter(({ name }) => variables.includes(name))
    .map(({ name }) => process.env[name] ?? "")
    .filter((path) => isAbsolute(path) && existsSync(path) && !path.includes(":"))
    .filter((path) => !isPrivate(path, dirname(attempts)));
}

/** @throws LegaloneError E_NODE for what would show the container more than its job's, and for what cannot be mounted */
function refuseMount(path: string, home: string): void {
  if (isPrivate(path, home))
    throw new LegaloneError("E_NODE", `${path} is not mounted: it is, holds or lies in the workspace`, {
      hint: "LEGALONE_DATA and LEGALONE_MODELS of the agent name folders beside the workspace.",
    });
  // It divides the words of a mount.
  if (path.includes(":"))
    throw new LegaloneError("E_NODE", `${JSON.stringify(path)} is not mounted: there is a ":" in it`, {
      hint: "Rename it, or reach it by another path.",
    });
}
