#!/usr/bin/env node
import module from "node:module";

// Node 22.1 and later keep compiled code between starts; older ones lack the function.
(module as { enableCompileCache?: () => unknown }).enableCompileCache?.();

const { main } = await import("./cli/main.ts");
await main(process.argv.slice(2));
