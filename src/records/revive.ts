const bigintColumns: ReadonlySet<string> = new Set(["bytes", "furthestStep"]);

/** A row that went through JSON: times and big integers, which JSON has not, by the names of their columns. */
export function reviveRow<Row extends object>(row: object): Row {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]: [string, unknown]) => {
      if (typeof value === "string" && /(At|Until|Before)$/.test(key)) return [key, new Date(value)];
      return [key, bigintColumns.has(key) && value !== null ? BigInt(value as number) : value];
    }),
  ) as Row;
}
