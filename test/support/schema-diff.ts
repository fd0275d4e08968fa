import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PrismaPg } from "@prisma/adapter-pg";
import { ColumnTypeEnum } from "@prisma/driver-adapter-utils";
import type { ConnectionSpec } from "../../src/core/connections.ts";
import { packageRoot } from "../../src/core/paths.ts";
import { poolConfig } from "../../src/records/database.ts";
import { migrationList } from "../../src/records/migrate.ts";
import { readMigrations } from "../../src/records/migration-files.ts";
import { WholeScripts, withSchemaEngine } from "../../src/records/schema-engine.ts";

/** SQL that leads from the migrations to prisma/schema.prisma; what an empty migration says when there is none. */
export async function diffOfMigrations(spec: ConnectionSpec): Promise<string> {
  const schema = readFileSync(join(packageRoot, "prisma", "schema.prisma"), "utf8");
  const from = { tag: "migrations" as const, ...(await migrationList(await readMigrations())) };
  const to = { tag: "schemaDatamodel" as const, files: [{ path: "schema.prisma", content: schema }] };
  const filters = { externalTables: [], externalEnums: [] };
  const result = await withSchemaEngine(
    new ShadowAdapter(spec),
    (engine) => engine.diff({ from, to, script: true, exitCode: true, filters }),
    [["schema.prisma", schema]],
  );
  return (result.stdout ?? "").trim();
}

type Adapter = Awaited<ReturnType<PrismaPg["connect"]>>;

/** Lets the engine look into a database of its own: Prisma's adapter drops it while it is still connected. */
class ShadowAdapter extends WholeScripts {
  readonly #spec: ConnectionSpec;

  constructor(spec: ConnectionSpec) {
    super({ ...poolConfig(spec), max: 1 });
    this.#spec = spec;
  }

  override async connect(): Promise<Adapter> {
    return withCharType(await super.connect());
  }

  override async connectToShadowDb(): Promise<Adapter> {
    const admin = await super.connect();
    const database = `legalone_shadow_${process.pid}`;
    await admin.executeScript(`create database "${database}"`);
    const inner = await new WholeScripts({ ...poolConfig({ ...this.#spec, database }), max: 1 }).connect();
    const dispose = inner.dispose.bind(inner);
    inner.dispose = async () => {
      await dispose();
      await admin.executeScript(`drop database "${database}" with (force)`);
      await admin.dispose();
    };
    return withCharType(inner);
  }
}

/** The catalogue type "char" (18): the adapter refuses it, and its zero byte comes back as an empty text. */
function withCharType(adapter: Adapter): Adapter {
  const pool = adapter.underlyingDriver();
  const query = pool.query.bind(pool) as (
    ...parts: unknown[]
  ) => Promise<{ fields?: { dataTypeID: number }[] }>;
  let chars: number[] = [];
  Object.assign(pool, {
    query: async (...parts: unknown[]) => {
      const result = await query(...parts);
      chars = [];
      result.fields?.forEach((field, column) => {
        if (field.dataTypeID !== 18) return;
        field.dataTypeID = 25;
        chars.push(column);
      });
      return result;
    },
  });
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (request) => {
    const result = await queryRaw(request);
    for (const column of chars) {
      result.columnTypes[column] = ColumnTypeEnum.Character;
      for (const row of result.rows) if (row[column] === "") row[column] = "\u0000";
    }
    return result;
  };
  return adapter;
}
