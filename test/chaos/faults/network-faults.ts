import type { NetworkMode } from "../site/network.ts";
import type { Inject } from "./types.ts";

/** With two serves the requests go to the other one afterwards, as after the change of an address. */
function during(mode: NetworkMode): Inject {
  return async ({ site, wait }, { ms }) => {
    site.network.mode = mode;
    await wait(ms);
    site.network.mode = "fine";
    site.preferred = 1 - site.preferred;
    return true;
  };
}

export const networkFaults = {
  "refuse-requests": during("refuse"),
  "lose-replies": during("lose"),
  "double-requests": during("double"),
  "slow-requests": during("slow"),
  "old-requests": async ({ site }) => (await site.network.repeatOld()) > 0,
} satisfies Record<string, Inject>;
