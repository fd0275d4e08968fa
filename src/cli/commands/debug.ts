import type { Command } from "commander";

export function define(debug: Command): void {
  debug
    .command("bundle")
    .summary("Pack what a bug report about a run needs, secrets redacted")
    .description(
      "Packs status, plan, events, what every attempt was asked and the ends of its logs, logs of the control plane and the agent, versions, nodes and the output of `doctor` into one .tar.gz. Redacted are values of variables that look like keys, tokens or passwords, passwords in addresses, and well-known forms of keys.",
    )
    .argument("[run]", "run: its name, its id or a unique beginning of it; the newest when left out")
    .option("-o, --output <file>", "file to write; legalone-<run>.tar.gz here when left out")
    .addHelpText(
      "after",
      "\n  $ legalone debug bundle latest\n  $ legalone debug bundle rk2m -o report.tar.gz",
    )
    .action(async (run: string | undefined, _options, command: Command) => {
      const { debugBundle } = await import("../actions/debug-bundle.ts");
      await debugBundle(run, command.optsWithGlobals());
    });
}
