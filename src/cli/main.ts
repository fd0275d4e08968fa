import { type Command, CommanderError } from "commander";
import { ExitCode, LegaloneError } from "../core/errors.ts";
import { checkHome } from "../core/own-folder.ts";
import { workspace } from "../core/paths.ts";
import { environmentError } from "../core/system-errors.ts";
import { buildProgram, version } from "./program.ts";

/** Runs one command line; the exit code is left in `process.exitCode`. */
export async function main(argv: readonly string[]): Promise<void> {
  const json = argv.includes("--json");
  process.stdout.on("error", endOnClosedPipe);
  process.on("SIGINT", leaveOnInterrupt);
  // Whatever this process and those it starts write, nobody else may change.
  process.umask(process.umask() | 0o022);
  for (const event of ["uncaughtException", "unhandledRejection"] as const)
    process.on(event, (error) => void report(error, json).finally(() => process.exit()));
  try {
    const program = await buildProgram(argv);
    silenceUsage(program, json);
    await refuseUnknownHelp(program, argv);
    program.hook("preAction", (_, command) => checkPlace(command.name()));
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    await report(error, json);
  } finally {
    process.removeListener("SIGINT", leaveOnInterrupt);
  }
}

/** Commands that tell about a workspace whatever it is, and that need none. */
const withoutWorkspace = ["doctor", "validate"];

/** A place that cannot be a workspace is said at once, whatever the command would have come upon first. */
function checkPlace(command: string): void {
  if (!withoutWorkspace.includes(command)) checkHome(workspace());
}

/** `help NAME` of a command that is none: commander would print the list as if that had been asked for. */
async function refuseUnknownHelp(program: Command, [first, name, ...more]: readonly string[]): Promise<void> {
  if (first !== "help" || name === undefined || name.startsWith("-") || more.length > 0) return;
  const names = program.commands.map((command) => command.name());
  if (names.includes(name)) return;
  const { unknownName } = await import("../core/suggest.ts");
  throw unknownName("E_USAGE", "command", name, names);
}

/** Commander prints usage errors itself; here all are told in one form. Help that was asked for by giving no command stays. */
function silenceUsage(program: Command, json: boolean): void {
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)])
    command.configureOutput({ outputError: () => {}, ...(json ? { writeErr: () => {} } : {}) });
}

async function report(error: unknown, json: boolean): Promise<void> {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    const shown = error.code === "commander.help" && !json;
    if (error.exitCode !== 0 && !shown) await told(usageError(error), json);
    return;
  }
  const known = error instanceof LegaloneError ? error : (environmentError(error) ?? bug(error));
  process.exitCode = known.exitCode;
  await told(known, json);
}

async function told(error: LegaloneError, json: boolean): Promise<void> {
  if (json) await printError(error.toJSON());
  else await noteError(error);
}

/** What commander refuses, as every other error is told: its guess at what was meant is a hint. */
function usageError({ message: said, code }: CommanderError): LegaloneError {
  const message = code === "commander.help" ? "there is no command" : said;
  const [, what = message, guess] =
    /^(?:error: )?(.*?)(?:\n\(?(Did you mean .*?\?)\)?)?$/s.exec(message) ?? [];
  const text = what.length > 300 ? `${what.slice(0, 299)}…` : what;
  const hint = `${guess === undefined ? "" : `${guess} `}\`legalone --help\` lists the commands, \`legalone COMMAND --help\` the options of one.`;
  return new LegaloneError("E_USAGE", text, { hint });
}

async function printError(error: Record<string, unknown>): Promise<void> {
  const { print } = await import("./actions/output.ts");
  print(JSON.stringify({ error }));
}

function bug(error: unknown): LegaloneError {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new LegaloneError("E_BUG", stack, {
    cause: error,
    hint: `legalone ${version()}, Node ${process.version}, ${process.platform} ${process.arch}: please report this with the lines above`,
  });
}

/** `error CODE message`, then the hint on its own line. */
async function noteError({ code, message, hint }: LegaloneError): Promise<void> {
  const { note } = await import("./actions/output.ts");
  const { lookOf } = await import("../views/look.ts");
  const { colors } = lookOf(process.stderr);
  const next = hint ? `\n${colors.dim("hint:")} ${hint}` : "";
  note(`${colors.red(`error ${code}`)} ${message}${next}`);
}

/** A reader that left (`| head`) is no error. */
function endOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
  throw error;
}

/** Only where the command set no handler of its own, as `train` does to detach. */
function leaveOnInterrupt(): void {
  if (process.listenerCount("SIGINT") > 1) return;
  process.stderr.write("\nInterrupted.\n");
  process.exit(130);
}
