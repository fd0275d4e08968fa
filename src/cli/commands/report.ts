import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .option(
      "-o, --out <file>",
      "file to write; `-` for standard output (default: legalone-report-<run>.html)",
    )
    .addHelpText("after", "\nThe report is one HTML file that needs no network.")
    .action(async (run: string | undefined) => {
      const { report } = await import("../actions/report.ts");
      await report(run, command.optsWithGlobals());
    });
}
