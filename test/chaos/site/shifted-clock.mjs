// Loaded before a daemon (`node --import`): the clock of its host, off by as many milliseconds as the file says, now and
// whenever that changes. The program itself knows nothing of it.
import { readFileSync } from "node:fs";

const file = process.env.CHAOS_CLOCK;
const RealDate = Date;
const realNow = Date.now;
let offset = 0;

function look() {
  try {
    offset = Number(readFileSync(file, "utf8")) || 0;
  } catch {
    offset = 0;
  }
}

if (file) {
  look();
  setInterval(look, 20).unref();
  RealDate.now = () => realNow() + offset;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, words, self) =>
      Reflect.construct(target, words.length === 0 ? [realNow() + offset] : words, self),
  });
}
