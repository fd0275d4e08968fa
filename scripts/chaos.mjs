#!/usr/bin/env node
// Random faults against the real control plane (test/chaos). `npm run chaos -- --help` tells the options.
// Compiles program and test first: both run as plain JavaScript.
import { compiled } from "./lib/compiled.mjs";

const { main } = await compiled("chaos", "test/chaos/main.ts");
await main(process.argv.slice(2));
