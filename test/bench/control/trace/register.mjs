// Loaded into serve and agent with NODE_OPTIONS=--import: times their functions and writes one line a call to the
// file LEGALONE_TRACE names. Nothing of the program knows of it.
import { appendFileSync } from "node:fs";
import { register } from "node:module";

const file = process.env.LEGALONE_TRACE;
if (file && process.argv[1]?.endsWith("bin.js") && ["serve", "agent"].includes(process.argv[2])) {
  const who = process.argv[2];
  const lines = [];
  const flush = () => {
    if (lines.length > 0) appendFileSync(file, lines.splice(0).join(""));
  };
  setInterval(flush, 200).unref();
  process.on("exit", flush);
  globalThis.legaloneTrace =
    (name, call) =>
    (...args) =>
      traced(name, args, () => call(...args));
  globalThis.legaloneTraceMethod = (name, method) =>
    function (...args) {
      return traced(name, args, () => method.apply(this, args));
    };
  // A database client has something under every name.
  const textOf = (value) => (typeof value === "string" ? value : undefined);
  const write = (name, from, key, extra) =>
    lines.push(
      `${JSON.stringify({ who, name, from: Number(from) / 1e6, to: Number(process.hrtime.bigint()) / 1e6, key, extra })}\n`,
    );
  const traced = (name, args, work) => {
    const from = process.hrtime.bigint();
    const key = args.find((arg) => typeof arg === "string") ?? textOf(args[0]?.attempt);
    const extra = args.find((arg) => Array.isArray(arg?.lines))?.lines.map((line) => line.type);
    const result = work();
    if (typeof result?.then !== "function") {
      write(name, from, key, extra);
      return result;
    }
    return result.then(
      (value) => {
        write(name, from, key, extra);
        return value;
      },
      (error) => {
        write(`${name}!`, from, key, extra);
        throw error;
      },
    );
  };
  register("./hooks.mjs", import.meta.url);
  if (who === "serve" && process.env.LEGALONE_TRACE_SQL) {
    const { default: pg } = await import("pg");
    const query = pg.Client.prototype.query;
    pg.Client.prototype.query = function (...args) {
      const from = process.hrtime.bigint();
      const result = query.apply(this, args);
      const text = (args[0]?.text ?? args[0]?.query?.text ?? args[0]).slice?.(0, 90);
      if (typeof result?.then === "function")
        result.then(
          () => write("sql", from, text),
          () => write("sql!", from, text),
        );
      return result;
    };
  }
}
