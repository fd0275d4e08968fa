// The control plane with years of history behind it: `npm run bench:history`. See README.md beside this file.
import { compiled } from "../../../scripts/lib/compiled.mjs";

const { main } = await compiled("bench-history", "test/bench/history/main.ts");
await main(process.argv.slice(2));
