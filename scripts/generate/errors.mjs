import { errorCodes } from "../../dist/core/error-codes.js";
import { ExitCode } from "../../dist/core/errors.js";
import { notice, table } from "./table.mjs";

const meanings = {
  ok: "The command did what it was asked.",
  bug: "A bug of this program.",
  usage: "Bad usage or configuration.",
  refused: "The plan or the resume was refused; nothing was started.",
  stageFailed: "A stage failed.",
  cancelled: "The run was cancelled.",
  stillRunning: "The command left while the run goes on.",
  notFound: "No run, stage or artifact of that name.",
  conflict: "The request contradicts what is recorded.",
  unreachable: "Database, queue, control plane or node cannot be reached.",
  gateFailed: "A gate did not hold.",
};

/** Exit codes and error codes. */
export function errorsPage() {
  return `${notice}
# Errors

An error is a code, a message that says what was seen and what was expected, and a hint with the next command. With
\`--json\` it is one line, \`{"error": {"code", "message", "hint", …}}\`; errors of a pipeline file stand in \`errors\`, each
with file, line, column, path, message, expected and hint.

## Exit codes

${table(
  ["exit code", "meaning"],
  Object.entries(ExitCode).map(([name, code]) => [code, meanings[name]]),
)}

A command stopped by Ctrl-C ends with 130, unless it follows a run: then it leaves the run running and ends with 6.

## Error codes

${table(
  ["code", "exit code", "when, and what to do"],
  Object.entries(errorCodes).map(([code, { exit, about }]) => [`\`${code}\``, exit, about]),
)}
`;
}
