import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import type * as Engine from "@prisma/schema-engine-wasm/schema_engine_bg";

/** The part of the standard interface used here; Node has it, its types do not. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: object,
  ): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

const engineModule = "@prisma/schema-engine-wasm/schema_engine_bg";

/**
 * Runs `work` with Prisma's schema engine as WebAssembly, in this process: nothing is downloaded and no command
 * line is believed. `datamodels` are [path, content] of the schema, needed to compare with it.
 */
export async function withSchemaEngine<T>(
  adapter: WholeScripts,
  work: (engine: Engine.SchemaEngine) => Promise<T>,
  datamodels?: [string, string][],
): Promise<T> {
  loaded ??= loadEngine();
  const glue = await loaded;
  const factory = bindMigrationAwareSqlAdapterFactory(adapter);
  const engine = await glue.SchemaEngine.new({ datamodels }, () => {}, factory);
  try {
    return await work(engine);
  } finally {
    engine.free();
    await adapter.close();
  }
}

// The glue has room for one instance: a second one would write into the memory of the first.
let loaded: Promise<typeof Engine> | undefined;

async function loadEngine(): Promise<typeof Engine> {
  const glue = (await import(engineModule)) as typeof Engine;
  const wasm = createRequire(import.meta.url)
    .resolve(engineModule)
    .replace(/\.js$/, ".wasm");
  const { instance } = await WebAssembly.instantiate(await readFile(wasm), {
    "./schema_engine_bg.js": glue,
  });
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports.__wbindgen_start as () => void)();
  return glue;
}

/**
 * The adapter cuts a script at every semicolon, which breaks function bodies. PostgreSQL takes the whole text
 * at once, as one transaction.
 */
export class WholeScripts extends PrismaPg {
  readonly #opened: Awaited<ReturnType<PrismaPg["connect"]>>[] = [];

  /** Ends the connections. The engine does not, and would hold its lock on the database until they idle out. */
  async close(): Promise<void> {
    const open = this.#opened.splice(0).filter((adapter) => !adapter.underlyingDriver().ended);
    await Promise.all(open.map((adapter) => adapter.dispose()));
  }

  override async connect() {
    const adapter = await super.connect();
    this.#opened.push(adapter);
    adapter.executeScript = async (script) => {
      await adapter.underlyingDriver().query(script);
    };
    return adapter;
  }
}
