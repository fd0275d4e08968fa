import { hostname, userInfo } from "node:os";

/** Who gave a command, as it is recorded: `name@host`. */
export function userName(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A container may run as a user without a name.
    return `${process.getuid?.() ?? "?"}@${hostname()}`;
  }
}
