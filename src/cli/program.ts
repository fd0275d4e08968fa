import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { packageRoot, workspace } from "../core/paths.ts";
import { commandList } from "./command-list.ts";
import { checkValues } from "./values.ts";

/** Options every command has, as `command.optsWithGlobals()` returns them. */
export interface GlobalOptions {
  json?: boolean;
}

/** This program's version, from package.json. */
export function version(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return manifest.version;
}

/**
 * Builds the program. Only the file of the command that `argv` names is loaded, or all with `all`,
 * so that `legalone --help` costs little more than starting Node.
 */
export async function buildProgram(argv: readonly string[], { all = false } = {}): Promise<Command> {
  const program = new Command("legalone")
    .description("Train Chinese legal reasoning models: one pipeline file, one durable run.")
    .option("--json", "print JSON; of a stream, JSON Lines whose last line is the verdict")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help of a command")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  program.addHelpText(
    "after",
    "\nExit codes: 0 ok · 1 our bug · 2 usage or configuration · 3 refused · 4 stage failed · 5 cancelled ·\n6 still running · 7 not found · 8 conflict · 9 unreachable · 10 gate failed",
  );
  const called = commandOf(argv);
  for (const entry of commandList) {
    const command = program
      .command(entry.name)
      .summary(entry.summary)
      .description(entry.summary)
      .helpGroup(`${entry.group}:`);
    if (all || entry.name === called) {
      (await entry.load()).define(command);
      checkValues(command);
    }
    if (entry.anyFolder !== true)
      command.hook("preAction", async () => {
        const { settleHome } = await import("../services/home.ts");
        const movedFrom = settleHome(workspace());
        if (movedFrom !== undefined && !argv.includes("--json"))
          process.stderr.write(`the workspace was moved here from ${movedFrom}\n`);
      });
  }
  return program;
}

/** The first word that is not an option; for `help NAME` the name. */
function commandOf(argv: readonly string[]): string | undefined {
  const words = argv.filter((word) => !word.startsWith("-"));
  return words[0] === "help" ? words[1] : words[0];
}
