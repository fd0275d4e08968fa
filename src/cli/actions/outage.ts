import { serveAnswers } from "./serve-health.ts";

/** The database may be restarted under a follower; away for longer than this, it gives up. */
const databasePatienceMs = 60_000;

/** The control plane is asked this often, and missed after the second silence. */
const askServeEveryMs = 5_000;

const serveAway =
  "The control plane does not answer; what runs goes on, nothing new begins. `legalone up` starts it again.";
const databaseAway = "The database does not answer; waiting for it. What runs goes on.";

/** Tells a follower's view when the parts it depends on are away, and when they are back. */
export class Outage {
  readonly #tell: (text: string | null) => void;
  #said: string | null = null;
  #databaseSince: number | null = null;
  #askedServeAt = Date.now();
  #silences = 0;

  /** `tell` gets a sentence when something is away, null when all is well again. */
  constructor(tell: (text: string | null) => void) {
    this.#tell = tell;
  }

  /** @throws the error itself when the database has been away for too long */
  databaseAway(error: unknown): void {
    this.#databaseSince ??= Date.now();
    if (Date.now() - this.#databaseSince > databasePatienceMs) throw error;
    this.#say(databaseAway);
  }

  async databaseAnswered(): Promise<void> {
    this.#databaseSince = null;
    if (Date.now() - this.#askedServeAt >= askServeEveryMs) {
      this.#askedServeAt = Date.now();
      this.#silences = (await serveAnswers()) ? 0 : this.#silences + 1;
    }
    this.#say(this.#silences > 1 ? serveAway : null);
  }

  #say(text: string | null): void {
    if (text === this.#said) return;
    this.#said = text;
    this.#tell(text);
  }
}
