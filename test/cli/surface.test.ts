import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, it } from "vitest";
import { z } from "zod";
import { buildProgram } from "../../src/cli/program.ts";
import { pipelineSchema } from "../../src/config/pipeline-schema.ts";
import { errorCodes } from "../../src/core/error-codes.ts";
import { ExitCode } from "../../src/core/errors.ts";
import { eventTypes } from "../../src/core/event-types.ts";
import { packageRoot } from "../../src/core/paths.ts";

// What scripts of other people hold on to. A change here is a change of the product: update surface.txt on purpose,
// with `npx vitest run test/cli/surface.test.ts -u`, and say so in the note of the release.

it("has the commands, flags, exit codes, keys and events that people rely on", async () => {
  const program = await buildProgram([], { all: true });
  const lines = [
    ...section("commands and flags", commandLines(program)),
    ...section(
      "exit codes",
      Object.entries(ExitCode).map(([name, code]) => `${code} ${name}`),
    ),
    ...section(
      "error codes",
      Object.entries(errorCodes)
        .map(([code, { exit }]) => `${code} ${exit}`)
        .sort(),
    ),
    ...section("keys of a pipeline file", keys(z.toJSONSchema(pipelineSchema, { io: "input" }) as Schema)),
    ...section("events of a worker", eventLines()),
    ...section("events of the control plane", [...eventTypes]),
  ];
  await expect(lines.join("\n")).toMatchFileSnapshot("surface.txt");
});

function section(title: string, lines: string[]): string[] {
  return [`# ${title}`, ...lines, ""];
}

function commandLines(command: Command, path = ""): string[] {
  const name = `${path}${command.name()}`;
  const argument = command.registeredArguments.map((one) =>
    one.required ? `<${one.name()}>` : `[${one.name()}]`,
  );
  const flags = command.options.map((option) => `  ${option.flags}${option.mandatory ? " (required)" : ""}`);
  return [
    [name, ...argument].join(" "),
    ...flags,
    ...command.commands.flatMap((inner) => commandLines(inner, `${name} `)),
  ];
}

interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  anyOf?: Schema[];
  items?: Schema;
}

function keys(schema: Schema, path = ""): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => [
    `${path}${key}`,
    ...keys(inner, `${path}${key}.`),
  ]);
  const values =
    typeof schema.additionalProperties === "object"
      ? keys(schema.additionalProperties, `${path}<name>.`)
      : [];
  const either = (schema.anyOf ?? []).flatMap((one) => keys(one, path));
  return [...new Set([...own, ...values, ...either])];
}

function eventLines(): string[] {
  const { $defs } = JSON.parse(
    readFileSync(join(packageRoot, "stages/_worker/protocol.schema.json"), "utf8"),
  ) as {
    $defs: Record<string, Schema> & { Event: { oneOf: { $ref: string }[] } };
  };
  return $defs.Event.oneOf.map(({ $ref }) => {
    const name = $ref.split("/").at(-1)!;
    return `${name}: ${Object.keys($defs[name]!.properties ?? {}).join(", ")}`;
  });
}
