/** Where an attempt stood at a time. */
export interface Position {
  step: number;
  at: Date;
}

export interface Pace {
  stepsPerSecond: number;
  etaMs: number;
}

/** Only the recent past tells the rate: compiling and loading are behind, and a slow disk or node shows soon. */
const windowMs = 60_000;

/**
 * Rate over the positions of the last minute (or the last two positions, when they are further apart) and the time
 * left at that rate. Null until two positions differ.
 */
export function paceOf(positions: Position[], of: number): Pace | null {
  const last = positions.at(-1);
  if (last === undefined) return null;
  const recent = positions.filter((position) => last.at.getTime() - position.at.getTime() <= windowMs);
  const first = recent.length > 1 ? recent[0]! : positions.at(-2);
  if (first === undefined) return null;
  const seconds = (last.at.getTime() - first.at.getTime()) / 1000;
  const steps = last.step - first.step;
  if (seconds <= 0 || steps <= 0) return null;
  const stepsPerSecond = steps / seconds;
  return { stepsPerSecond, etaMs: (Math.max(0, of - last.step) / stepsPerSecond) * 1000 };
}

/** Positions of attempts as a follower sees them go by; older than a few windows they are forgotten. */
export class Track {
  readonly #positions = new Map<string, Position[]>();

  note(attemptId: string, position: Position): void {
    const known = this.#positions.get(attemptId) ?? [];
    if (known.at(-1)?.step === position.step) return;
    const after = known.filter(
      (old) => old.step < position.step && position.at.getTime() - old.at.getTime() < 4 * windowMs,
    );
    this.#positions.set(attemptId, [...after, position]);
  }

  of(attemptId: string): Position[] {
    return this.#positions.get(attemptId) ?? [];
  }
}
