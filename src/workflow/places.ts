import { mostPlaces, type NodeRow, type StageRow } from "../core/rows.ts";
import { isSilent } from "./judge-attempt.ts";
import { pipelineOf, specOf } from "./types.ts";
import type { World } from "./world.ts";

/** Where an attempt goes: a node, and the numbers of what it leases there. */
export interface Place {
  node: NodeRow;
  /** NPUs from 0 on, or one of the slots -1, -2, … for work without. */
  devices: number[];
}

interface Offer {
  node: NodeRow;
  trusted: boolean;
  npus: number[];
  slots: number[];
  /** NPUs are kept for an attempt that came first and needs more than are free yet. */
  reserved: boolean;
}

/** What the nodes have free while places are given out. */
export class Places {
  readonly #offers: Offer[];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    const faulty = new Set(world.rows.faults.map((fault) => fault.nodeId));
    const offers = world.rows.nodes
      .filter((node) => !isSilent(world, node))
      .map((node): Offer => {
        const taken = new Set(world.leasesOfNode(node.id).map((lease) => lease.device));
        const free = (count: number, device: (i: number) => number) =>
          Array.from({ length: Math.min(count, mostPlaces) }, (_, i) => device(i)).filter(
            (number) => !taken.has(number),
          );
        return {
          node,
          trusted: !faulty.has(node.id),
          npus: free(node.npus, (i) => i),
          slots: free(node.slots, (i) => -1 - i),
          reserved: false,
        };
      });
    // A node that failed lately is taken only when no other will do.
    this.#offers = [...offers.filter(({ trusted }) => trusted), ...offers.filter(({ trusted }) => !trusted)];
  }

  /** Takes a place for an attempt of a stage, or undefined when there is none now. */
  take(stage: StageRow): Place | undefined {
    const { nodes, npus } = specOf(stage).resources;
    // One node holds an attempt; a gang over several is the task of engines that know gangs.
    if (nodes > 1) return undefined;
    const able = this.#able(stage);
    if (npus === 0) {
      const offer = able.find(({ slots }) => slots.length > 0);
      return offer && { node: offer.node, devices: offer.slots.splice(0, 1) };
    }
    const offer = able.find((one) => !one.reserved && one.npus.length >= npus);
    if (offer) return { node: offer.node, devices: offer.npus.splice(0, npus) };
    this.#reserve(able, npus);
    return undefined;
  }

  /** The node that has most free is kept for it, or smaller attempts behind it would hold it up for ever. */
  #reserve(able: readonly Offer[], npus: number): void {
    const fits = able.filter(({ node, reserved }) => !reserved && node.npus >= npus);
    const most = Math.max(-1, ...fits.map((offer) => offer.npus.length));
    const chosen = fits.find((offer) => offer.npus.length === most);
    if (chosen) chosen.reserved = true;
  }

  #able(stage: StageRow): Offer[] {
    const engine = pipelineOf(this.#world.run(stage.runId)).cluster.engine;
    return this.#offers.filter(({ node }) => node.engines.includes(engine));
  }
}
