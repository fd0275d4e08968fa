/** The value below which a share `p` of the values lies: the nearest rank. NaN without values. */
export function quantile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? Number.NaN : sorted[Math.max(0, Math.ceil(sorted.length * p) - 1)];
}

/** Median and 95 % of a list of milliseconds. */
export function spread(values) {
  return { n: values.length, p50: rounded(quantile(values, 0.5)), p95: rounded(quantile(values, 0.95)) };
}

export function rounded(value, digits = 1) {
  return Number(value.toFixed(digits));
}

/** A table of text; the first column to the left, the others to the right. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i])))
      .join("  "),
  );
  return `${lines.join("\n")}\n`;
}
