import { execFileSync } from "node:child_process";
import { chownSync, lchownSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** The user a server runs as, in the words of child_process. */
export interface ServiceUser {
  uid: number;
  gid: number;
}

/**
 * PostgreSQL refuses to run as root. As root: the user `postgres` if the machine has one, else `nobody`.
 * Otherwise undefined, which means the user we are.
 */
export function serviceUser(): ServiceUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return userNamed("postgres") ?? userNamed("nobody") ?? { uid: 65534, gid: 65534 };
}

/**
 * Where root keeps what the service user must reach when the workspace or the checkout is closed to it.
 * LEGALONE_SERVICE_FOLDER, or /var/lib.
 */
export function serviceFolder(): string {
  return process.env.LEGALONE_SERVICE_FOLDER ?? "/var/lib";
}

/** True when `user` can enter `folder`: every folder above it may be searched. Access lists are not read. */
export function canReach(folder: string, user: ServiceUser | undefined): boolean {
  if (user === undefined) return true;
  for (let path = resolve(folder); ; path = dirname(path)) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !mayEnter(found, user)) return false;
    if (path === dirname(path)) return true;
  }
}

/** Gives a folder and all below it to `user`; nothing to do when that is who we are. */
export function giveTo(folder: string, user: ServiceUser | undefined): void {
  if (user === undefined) return;
  chownSync(folder, user.uid, user.gid);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) giveTo(path, user);
    else lchownSync(path, user.uid, user.gid);
  }
}

function mayEnter(found: { mode: number; uid: number; gid: number }, user: ServiceUser): boolean {
  if (found.uid === user.uid) return (found.mode & 0o100) !== 0;
  if (found.gid === user.gid) return (found.mode & 0o010) !== 0;
  return (found.mode & 0o001) !== 0;
}

function userNamed(name: string): ServiceUser | undefined {
  try {
    const [uid, gid] = ["-u", "-g"].map((flag) =>
      Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })),
    );
    return uid === undefined || gid === undefined ? undefined : { uid, gid };
  } catch {
    return undefined;
  }
}
