import type { Log } from "../../core/log.ts";
import type { Answer, Doorbell } from "./doorbell.ts";

/** A doorbell of timers alone, for when there is no Redis: everything works, a little later. */
export class TimerDoorbell implements Doorbell {
  private readonly rounds: AnswerRound[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly log: Log;

  constructor(log: Log) {
    this.log = log;
  }

  ring(): Promise<boolean> {
    return Promise.resolve(false);
  }

  listen(_queue: string, answer: Answer, { everyMs }: { everyMs: number }): void {
    const round = new AnswerRound(answer, this.log);
    this.rounds.push(round);
    this.timers.push(setInterval(() => void round.call(undefined), everyMs));
  }

  healthy(): boolean {
    return false;
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all(this.rounds.map((round) => round.idle()));
  }
}

/** Runs an answer one at a time. A call during a run is remembered: one more run follows. */
export class AnswerRound {
  private running: Promise<void> | undefined;
  private again: { key: string | undefined } | undefined;
  private lastAt = 0;
  private readonly answer: Answer;
  private readonly log: Log;

  constructor(answer: Answer, log: Log) {
    this.answer = answer;
    this.log = log;
  }

  /** Resolves when a run that began after this call has ended. */
  call(key: string | undefined): Promise<void> {
    if (this.running !== undefined) {
      this.again = { key };
      return this.running;
    }
    this.running = this.run(key).finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  /** Milliseconds since a run last began. */
  age(): number {
    return Date.now() - this.lastAt;
  }

  async idle(): Promise<void> {
    await this.running;
  }

  private async run(first: string | undefined): Promise<void> {
    let next: { key: string | undefined } | undefined = { key: first };
    while (next !== undefined) {
      this.again = undefined;
      this.lastAt = Date.now();
      try {
        await this.answer(next.key);
      } catch (error) {
        this.log.error("a doorbell's answer failed", { error });
      }
      next = this.again;
    }
  }
}
