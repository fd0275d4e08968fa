/** Checkpoints of one attempt that stay when the stage does not say: the same number the worker is told. */
export const defaultKeep = 3;

/**
 * Steps whose checkpoints go: all but the newest `keep` and, where it is set, the multiples of `keepEvery`.
 * stages/_worker/training/pruning.py has the same rule, tested with the same cases.
 */
export function staleSteps(steps: readonly number[], keep: number, keepEvery: number | null): number[] {
  const newestFirst = [...steps].sort((a, b) => b - a);
  return newestFirst.slice(keep).filter((step) => keepEvery === null || step % keepEvery !== 0);
}
