import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../core/log.ts";
import { openAttempts } from "../attempt-folder.ts";
import { type Engine, EngineAway, type EngineState, type Launch, type Observation } from "../engine.ts";

export interface EngineSeatOptions {
  name: string;
  /** Folder of all attempts. */
  attempts: string;
  node: string;
  /** Makes the engine; undefined while it is not installed. */
  open(): Promise<Engine | undefined>;
  log: Log;
  /** It is looked for so often while it answers, and at first when it does not; then ever less often. */
  everyMs: number;
}

/** The longest pause before an engine that is away is looked for again, in looks. */
const longestPause = 12;

/**
 * The place of an engine that may come and go, such as a Docker that starts later than the agent. While it is away its
 * attempts are held by their folders: they are neither lost nor started, and go on when it answers again.
 */
export class EngineSeat implements Engine {
  readonly name: string;
  readonly #options: EngineSeatOptions;
  #engine: Engine | undefined;
  #state: EngineState = { is: "absent" };
  #tries = 0;

  constructor(options: EngineSeatOptions) {
    this.name = options.name;
    this.#options = options;
  }

  state(): EngineState {
    return this.#state;
  }

  /** What is open here, told by the folders where the engine cannot be asked. Also the look whether it answers. */
  async adopt(): Promise<string[]> {
    const { attempts, node, open } = this.#options;
    const known = openAttempts(attempts, this.name, node);
    try {
      this.#engine ??= await open();
      if (this.#engine === undefined) {
        if (known.length === 0) this.#state = { is: "absent" };
        else this.#goneFor(new EngineAway("it is not installed, or does not run"));
        return known;
      }
      const adopted = await this.#engine.adopt();
      if (this.#state.is === "away") this.#options.log.info("an engine is back", { engine: this.name });
      this.#state = { is: "here" };
      this.#tries = 0;
      return [...new Set([...known, ...adopted])];
    } catch (error) {
      this.#goneFor(error);
      return known;
    }
  }

  /** Looks for it until `leaving`. */
  async watch(leaving: AbortSignal): Promise<void> {
    const { everyMs } = this.#options;
    while (!leaving.aborted) {
      const pause = this.#state.is === "here" ? 1 : Math.min(longestPause, 2 ** Math.max(0, this.#tries - 1));
      await sleep(everyMs * pause, undefined, { signal: leaving, ref: false }).catch(() => {});
      if (!leaving.aborted) await this.adopt();
    }
  }

  start(launch: Launch): Promise<void> {
    return this.#call((engine) => engine.start(launch));
  }

  observe(attempt: string): Promise<Observation> {
    return this.#call((engine) => engine.observe(attempt));
  }

  stop(attempt: string, graceSeconds: number): Promise<void> {
    return this.#call((engine) => engine.stop(attempt, graceSeconds));
  }

  forget(attempt: string): Promise<void> {
    return this.#call((engine) => engine.forget(attempt));
  }

  /** While it is away nobody waits for it: only the look asks again. */
  async #call<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    const state = this.#state;
    if (this.#engine === undefined || state.is !== "here")
      throw new EngineAway(`engine ${this.name} is away${state.is === "away" ? `: ${state.why}` : ""}`);
    try {
      return await work(this.#engine);
    } catch (error) {
      if (error instanceof EngineAway) this.#goneFor(error);
      throw error;
    }
  }

  #goneFor(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#tries += 1;
    if (this.#state.is === "away") return;
    this.#state = { is: "away", since: new Date().toISOString(), why };
    this.#options.log.warn("an engine is away; its attempts are held until it answers", {
      engine: this.name,
      why,
    });
  }
}
