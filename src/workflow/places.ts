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
  npus: Free;
  slots: Free;
  /** NPUs are kept for an attempt that came first and needs more than are free yet. */
  reserved: boolean;
}

/** Numbers of a node that are not leased, lowest first; told one by one, since a node may name many. */
class Free {
  readonly of: number;
  count: number;
  readonly #device: (i: number) => number;
  readonly #taken: Set<number>;
  #next = 0;

  constructor(of: number, taken: ReadonlySet<number>, device: (i: number) => number) {
    this.of = Math.max(0, Math.min(mostPlaces, Math.trunc(of) || 0));
    this.#device = device;
    this.#taken = new Set([...taken].filter((number) => this.#has(number)));
    this.count = this.of - this.#taken.size;
  }

  /** Not more than there are. */
  take(count: number): number[] {
    const devices: number[] = [];
    for (; devices.length < count && this.#next < this.of; this.#next++) {
      const number = this.#device(this.#next);
      if (!this.#taken.has(number)) devices.push(number);
    }
    this.count -= devices.length;
    return devices;
  }

  #has(number: number): boolean {
    const i = this.#device(0) < 0 ? -1 - number : number;
    return i >= 0 && i < this.of;
  }
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
        return {
          node,
          trusted: !faulty.has(node.id),
          npus: new Free(node.npus, taken, (i) => i),
          slots: new Free(node.slots, taken, (i) => -1 - i),
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
      const offer = able.find(({ slots }) => slots.count > 0);
      return offer && { node: offer.node, devices: offer.slots.take(1) };
    }
    const offer = able.find((one) => !one.reserved && one.npus.count >= npus);
    if (offer) return { node: offer.node, devices: offer.npus.take(npus) };
    this.#reserve(able, npus);
    return undefined;
  }

  /** Whether a node that speaks could hold an attempt of a stage, were all of it free. */
  fits(stage: StageRow): boolean {
    const { nodes, npus } = specOf(stage).resources;
    if (nodes > 1) return false;
    return this.#able(stage).some((offer) => (npus === 0 ? offer.slots.of > 0 : offer.npus.of >= npus));
  }

  /** The node that has most free is kept for it, or smaller attempts behind it would hold it up for ever. */
  #reserve(able: readonly Offer[], npus: number): void {
    const fits = able.filter(({ npus: npusOf, reserved }) => !reserved && npusOf.of >= npus);
    const most = Math.max(-1, ...fits.map((offer) => offer.npus.count));
    const chosen = fits.find((offer) => offer.npus.count === most);
    if (chosen) chosen.reserved = true;
  }

  #able(stage: StageRow): Offer[] {
    const engine = pipelineOf(this.#world.run(stage.runId)).cluster.engine;
    return this.#offers.filter(({ node }) => node.engines.includes(engine));
  }
}
