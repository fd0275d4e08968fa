import type { LoggedStep } from "../records/reads/metrics.ts";
import type { Event } from "../records/reads/row-types.ts";
import { bytes, clock, count, number } from "./format.ts";
import type { Look } from "./look.ts";
import { jsonLines } from "./status-json.ts";

/** An event as a line of a log: time, stage, what happened, its fields. */
export function eventLine(event: Event, stageName: string | null, look: Look): string {
  const { colors } = look;
  const data = fieldsIn(event.data);
  const kind = event.type.split(".").at(-1) ?? event.type;
  const paint =
    /fail|lost|error|warning/.test(event.type) || data.status === "failed" ? colors.red : colors.bold;
  return [colors.dim(clock(event.at, look.now)), stageName ?? "run", paint(event.type), textOf(kind, data)]
    .filter((part) => part !== "")
    .join("  ");
}

/** A step of a training as a line of a log: `14:02:09  sft  step 120  loss 2.859 · lr 0.0015 · 3512 tokens/s` */
export function stepLine({ at, step, values }: LoggedStep, stageName: string | null, look: Look): string {
  const told = ["loss", "reward", "lr"].flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [`${name} ${number(value)}`];
  });
  const speed = values.tokens_per_second;
  if (speed !== undefined) told.push(`${count(Math.round(speed))} tokens/s`);
  const { dim, bold } = look.colors;
  return [dim(clock(at, look.now)), stageName ?? "run", bold(`step ${number(step)}`), told.join(" · ")].join(
    "  ",
  );
}

/** Events as JSON Lines, with the stage's name; the changes of rows that each event made are left to the records. */
export function eventJsonLines(events: Event[], stageName: (id: string | null) => string | null): string {
  return jsonLines(
    events.map(({ stageId, data, ...event }) => ({
      ...event,
      type: "event",
      event: event.type,
      stage: stageName(stageId),
      data: Object.fromEntries(Object.entries(fieldsIn(data)).filter(([key]) => key !== "changes")),
    })),
  );
}

type Fields = Record<string, unknown>;

function fieldsIn(data: unknown): Fields {
  return data !== null && typeof data === "object" && !Array.isArray(data) ? (data as Fields) : {};
}

/** Types that people read often get words of their own; the rest show their fields. */
function textOf(kind: string, data: Fields): string {
  const text = (key: string) => (data[key] === undefined || data[key] === null ? "" : String(data[key]));
  switch (kind) {
    case "started":
      return startedText(data);
    case "phase":
      return [text("phase"), text("detail")].filter((part) => part !== "").join(": ");
    case "warning":
      return text("message");
    case "checkpoint":
      return `step ${text("step")}${data.bytes === undefined ? "" : `, ${bytes(Number(data.bytes))}`}`;
    case "artifact":
      return `${text("kind")} ${text("sha256").slice(0, 12)}, ${bytes(Number(data.bytes ?? 0))}`;
    case "result":
      return [text("status"), text("reason"), text("message")].filter((part) => part !== "").join(" · ");
    default:
      return fieldsOf(data);
  }
}

/** The start of a worker names what decides its numbers; the start of anything else has no versions. */
function startedText(data: Fields): string {
  if (data.pid === undefined) return fieldsOf(data);
  const versions = Object.entries(fieldsIn(data.versions)).map(
    ([name, version]) => `${name} ${String(version)}`,
  );
  return [`pid ${String(data.pid)}`, String(data.device ?? ""), ...versions]
    .filter((part) => part !== "")
    .join(", ");
}

const hidden = new Set(["type", "at", "summary", "spec", "config", "changes"]);

function fieldsOf(data: Fields): string {
  return Object.entries(data)
    .filter(([key, value]) => !hidden.has(key) && value !== null && value !== "")
    .map(
      ([key, value]) =>
        `${key}=${typeof value === "number" ? number(value) : typeof value === "string" ? value : JSON.stringify(value)}`,
    )
    .join(" ");
}
