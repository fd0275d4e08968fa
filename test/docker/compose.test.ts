import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { packageRoot } from "../../src/core/paths.ts";
import { valkeyBinary } from "../../src/services/valkey-binary.ts";
import { readText } from "../support/markdown.ts";

interface Service {
  image: string;
  build?: { dockerfile: string; target?: string; args: Record<string, string> };
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: object;
  volumes?: string[];
}
const text = readText("docker/compose.yaml");
const compose = parse(text) as {
  services: Record<string, Service>;
  configs: { valkey: { content: string } };
  volumes: Record<string, null>;
};
const services = Object.entries(compose.services);
const checker = join(packageRoot, ".venv-test", "bin", "check-jsonschema");
const folder = mkdtempSync(join(tmpdir(), "legalone-compose-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Exit status of the Compose specification's own schema on a file. */
function checkSchema(file: string): number | null {
  return spawnSync(checker, ["--builtin-schema", "vendor.compose-spec", file]).status;
}

describe("docker/compose.yaml", () => {
  it("fits the schema of the Compose specification", () => {
    expect(checkSchema(join(packageRoot, "docker", "compose.yaml"))).toBe(0);
    const broken = join(folder, "broken.yaml");
    writeFileSync(broken, text.replace("healthcheck:", "healthchek:"));
    expect(checkSchema(broken)).toBe(1);
  });

  it("has no default for an image from outside or a secret", () => {
    const variables = [...text.matchAll(/(?<!\$)\$\{(\w+)(:\?[^}]*)?/g)].map((match) => ({
      name: match[1]!,
      required: match[2] !== undefined,
    }));
    expect(variables.filter(({ required }) => !required)).toEqual([]);
    const listed = readText("docker/compose.env.example").match(/^\w+(?==)/gm)!;
    expect([...new Set(variables.map(({ name }) => name))].sort()).toEqual(listed.sort());
    expect(readText("docker/compose.env.example")).not.toMatch(/^\w+=\S/m);
  });

  it("pulls only images named by variables; its own are built here", () => {
    for (const [name, service] of services) {
      if (service.build === undefined) expect(service.image, name).toMatch(/^\$\{\w+_IMAGE:\?/);
      else expect(service.image, name).toMatch(/^legalone-/);
    }
  });

  it("builds targets and arguments that the Dockerfiles have", () => {
    for (const [name, { build }] of services) {
      if (build === undefined) continue;
      const file = readText(build.dockerfile);
      for (const argument of Object.keys(build.args))
        expect(file, name).toMatch(new RegExp(`^ARG ${argument}\\b`, "m"));
      if (build.target) expect(file, name).toMatch(new RegExp(`^FROM \\S+ AS ${build.target}$`, "m"));
    }
  });

  it("waits for services that have a health check, and mounts volumes it declares", () => {
    for (const [name, service] of services) {
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(condition, name).toBe("service_healthy");
        expect(compose.services[other]?.healthcheck, `${name} waits for ${other}`).toBeDefined();
      }
      for (const volume of service.volumes ?? [])
        if (!volume.startsWith("$")) expect(Object.keys(compose.volumes)).toContain(volume.split(":")[0]);
    }
  });

  it("gives the agent no way into the database", () => {
    expect(Object.keys(compose.services.agent?.environment ?? {})).not.toContain("LEGALONE_DATABASE_URL");
  });

  it("sets no variable that the program does not read", () => {
    const sources = spawnSync("grep", ["-rhoE", "LEGALONE_[A-Z_]+", "src"], {
      cwd: packageRoot,
      encoding: "utf8",
    });
    const known = new Set(sources.stdout.split("\n"));
    const names = services.flatMap(([, { environment }]) => Object.keys(environment ?? {}));
    const ours = names.filter((name) => name.startsWith("LEGALONE_"));
    expect(ours.length).toBeGreaterThan(4);
    expect(ours.filter((name) => !known.has(name))).toEqual([]);
  });

  it("configures a Valkey that keeps every key and every write", async () => {
    const socket = join(folder, "valkey.sock");
    const file = join(folder, "valkey.conf");
    const content = compose.configs.valkey.content
      .replace(/\$\{VALKEY_PASSWORD[^}]*\}/, "secret-1_x")
      .replace("dir /data", `dir ${folder}`);
    writeFileSync(file, `${content}port 0\nunixsocket ${socket}\n`);
    const server = spawn(valkeyBinary(), [file], { stdio: "ignore" });
    const client = new Redis({ path: socket, password: "secret-1_x", retryStrategy: () => 50 });
    client.on("error", () => {});
    try {
      const settings = async (name: string) => ((await client.config("GET", name)) as string[])[1];
      expect(await settings("maxmemory-policy")).toBe("noeviction");
      expect(await settings("appendonly")).toBe("yes");
      expect(await settings("appendfsync")).toBe("everysec");
      expect(await settings("save")).toBe("");
    } finally {
      client.disconnect();
      server.kill("SIGTERM");
    }
  });
});
