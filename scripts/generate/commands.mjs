import { buildProgram } from "../../dist/cli/program.js";
import { notice } from "./table.mjs";

/** The help of every command. */
export async function commandsPage() {
  const program = await buildProgram([], { all: true });
  return `${notice}
# Commands

\`\`\`
${helpOf(program)}
\`\`\`
${leaves(program).map(section).join("")}`;
}

/** Commands without commands of their own, except \`help\`. */
function leaves(command) {
  return command.commands.flatMap((inner) => (inner.commands.length > 0 ? leaves(inner) : [inner]));
}

function section(command) {
  return `
## ${fullName(command)}

\`\`\`
${helpOf(command)}
\`\`\`
`;
}

function fullName(command) {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

/** Help at a width of 100 columns, with what \`addHelpText\` adds, independent of the terminal. */
function helpOf(command) {
  let text = "";
  const write = (part) => {
    text += part;
  };
  command.configureOutput({
    writeOut: write,
    writeErr: write,
    getOutHelpWidth: () => 100,
    getErrHelpWidth: () => 100,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  command.outputHelp();
  return text.trimEnd();
}
