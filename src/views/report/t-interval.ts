/** 97.5 % quantiles of Student's t for 1, 2, … degrees of freedom; from 30 on the normal one is near enough. */
const quantiles = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045,
];

export interface Mean {
  mean: number;
  /** 95 % t-interval of the mean; null for a single value. */
  bounds: [number, number] | null;
}

/** Mean of independent values with its 95 % interval by Student's t. */
export function meanWithInterval(values: readonly number[]): Mean {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, bounds: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = (quantiles[n - 2] ?? 1.96) * Math.sqrt(variance / n);
  return { mean, bounds: [mean - half, mean + half] };
}
