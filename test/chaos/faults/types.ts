import type { Fault, Plan } from "../plan/types.ts";
import type { Site } from "../site/site.ts";

/** What a fault may reach. */
export interface Scene {
  site: Site;
  plan: Plan;
  /** Ids of the runs submitted so far, by their place in the plan. */
  runs: (string | undefined)[];
  /** Waits until all faults are over: then what was begun here is undone early. */
  wait(ms: number): Promise<void>;
  /** Looks until there is something to hit; undefined when nothing comes within a second and a half. */
  find<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T | undefined>;
  /** Repeats while the database is away. */
  patiently<T>(work: () => Promise<T>): Promise<T>;
}

/** Makes a fault happen. False when there was nothing to hit just then. */
export type Inject = (scene: Scene, fault: Fault) => Promise<boolean>;

/** The one of a list that a fault picks; undefined when there is none. */
export function picked<T>(list: readonly T[], { pick }: Fault): T | undefined {
  return list[Math.floor(pick * list.length)];
}

/** A second and a third number from 0 to 1 out of a fault's pick. */
export function digit({ pick }: Fault, place: 1 | 2): number {
  const scaled = pick * 100 ** place;
  return scaled - Math.floor(scaled);
}
