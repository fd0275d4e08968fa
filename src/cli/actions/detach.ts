import { ExitCode } from "../../core/errors.ts";

/** Ctrl-C while following: the first asks to leave, the second leaves the process as it is. */
export class Detach {
  readonly #controller = new AbortController();
  readonly #onInterrupt = () => {
    if (this.asked) process.exit(ExitCode.stillRunning);
    this.#controller.abort();
  };

  constructor() {
    process.on("SIGINT", this.#onInterrupt);
    process.on("SIGTERM", this.#onInterrupt);
  }

  get asked(): boolean {
    return this.#controller.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  close(): void {
    process.removeListener("SIGINT", this.#onInterrupt);
    process.removeListener("SIGTERM", this.#onInterrupt);
  }
}
