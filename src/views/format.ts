/** `8.4s`, `1m 05s`, `2h 03m`, `3d 04h`; nothing finer than a user acts on. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m ${two(whole % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Local time: `14:02:09` today, `2026-03-01 14:02` on other days. */
export function clock(at: Date, now: Date): string {
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.toDateString() === now.toDateString()) return `${time}:${two(at.getSeconds())}`;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** `950`, `12.3k`, `4.56M`, `1.2B`: three digits that mean something. */
export function count(value: number): string {
  for (const [unit, size] of [
    ["B", 1e9],
    ["M", 1e6],
    ["k", 1e4],
  ] as const) {
    if (Math.abs(value) >= size) {
      const divided = value / (unit === "k" ? 1e3 : size);
      return `${divided.toFixed(Math.abs(divided) >= 100 ? 0 : Math.abs(divided) >= 10 ? 1 : 2)}${unit}`;
    }
  }
  return Number.isInteger(value) ? String(value) : value.toFixed(value >= 100 ? 0 : 1);
}

/**
 * A measured value, rounded by its size: four significant digits, at least three decimals below 10 so that columns stand
 * under each other, `1.20e-5` where fixed notation would hide it; whole numbers as they are. The report's page runs this
 * very function in the browser (plot-script.ts): it calls nothing of this module.
 */
export function number(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(2).replace("e+", "e");
  const decimals = Math.max(0, 3 - Math.floor(Math.log10(size)));
  const text = value.toFixed(decimals);
  return decimals > 3 ? text.replace(/(\.\d{3}\d*?)0+$/, "$1") : text;
}

/** The numbers of an axis, all with as many decimals as the one that needs most: 5.5 6.0 6.5. Null where nothing is written. */
export function ticks(values: readonly (number | null)[]): string[] {
  const decimals = values.map((value) => {
    const text = String(Number((value ?? 0).toPrecision(6)));
    return text.includes("e") ? 0 : (text.split(".")[1] ?? "").length;
  });
  const most = Math.max(0, ...decimals);
  return values.map((value) => {
    if (value === null) return "";
    const size = Math.abs(value);
    const plain = size === 0 || (size >= 1e-4 && size < 1e6);
    return plain ? (size === 0 ? "0" : value.toFixed(most)) : value.toExponential(1).replace("e+", "e");
  });
}

/** A score or an interval's end in percent points, as the evaluation's tables have them. */
export function points(value: number): string {
  return value.toFixed(1);
}

/** A share of a whole: one decimal, more where it would be 0.0% without being nothing. */
export function percent(share: number): string {
  const value = share * 100;
  const size = Math.abs(value);
  if (size >= 99.95 || value === 0) return `${value.toFixed(0)}%`;
  return `${size >= 0.1 ? value.toFixed(1) : value.toPrecision(1)}%`;
}

/** `4.9 MB`: powers of 1000, as file managers show them. */
export function bytes(size: number | bigint): string {
  let value = Number(size);
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (value < 1000 || unit === "TB")
      return `${unit === "B" || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${unit}`;
    value /= 1000;
  }
  return "";
}

/** A metric's name as people read it: `legal_ppl` -> `legal ppl`. */
export function words(name: string): string {
  return name.replaceAll("_", " ").replaceAll("heldout", "held-out");
}
