import { CommanderError } from "commander";
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
    if (json) silenceUsage(program);
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

/** Commander prints usage errors itself; with --json the error object is all that is printed. */
function silenceUsage(program: import("commander").Command): void {
  for (const command of [program, ...program.commands])
    command.configureOutput({ writeErr: () => {}, outputError: () => {} });
}

async function report(error: unknown, json: boolean): Promise<void> {
  if (error instanceof CommanderError) {
    const asked = error.exitCode === 0;
    process.exitCode = asked ? ExitCode.ok : ExitCode.usage;
    if (json && !asked) await printError({ code: "E_USAGE", message: error.message.replace(/^error: /, "") });
    return;
  }
  const known = error instanceof LegaloneError ? error : (environmentError(error) ?? bug(error));
  process.exitCode = known.exitCode;
  if (json) await printError(known.toJSON());
  else await noteError(known);
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
