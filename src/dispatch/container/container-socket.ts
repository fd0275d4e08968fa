import { statSync } from "node:fs";
import { join } from "node:path";

/**
 * The socket of Docker or Podman: LEGALONE_CONTAINER_SOCKET, DOCKER_HOST, or where they put it. Undefined when
 * there is none; whether somebody answers there is not known yet.
 */
export function containerSocket(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env.LEGALONE_CONTAINER_SOCKET) return env.LEGALONE_CONTAINER_SOCKET;
  const host = env.DOCKER_HOST?.startsWith("unix://") ? env.DOCKER_HOST.slice("unix://".length) : undefined;
  const own = env.XDG_RUNTIME_DIR === undefined ? [] : [join(env.XDG_RUNTIME_DIR, "podman", "podman.sock")];
  const usual = ["/var/run/docker.sock", "/run/podman/podman.sock", ...own];
  return [...(host === undefined ? [] : [host]), ...usual].find(isSocket);
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}
