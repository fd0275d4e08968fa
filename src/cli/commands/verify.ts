import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument(
      "[run]",
      "run: its name, its id or a unique beginning of it; everything of this workspace when left out",
    )
    .option("--stage <name>", "only what this stage of the run made")
    .option("--artifact <hash>", "only what this hash, or beginning of one, names")
    .option("--anew", "hash every file, also those that have not changed since they were last verified")
    .addHelpText(
      "after",
      "\n  $ legalone verify\n  $ legalone verify r9nqn5gm2n --stage midtrain\n  $ legalone verify --artifact 3f1c02 --anew --json\n\nCompares the files of committed outputs and checkpoints with their manifests and with the records: sizes always, hashes\nonce for each state of a file. Changes nothing. Ends with 0 when all is sound, 8 when something is damaged or missing,\n9 when something could not be read.",
    )
    .action(async (run: string | undefined) => {
      const { verify } = await import("../actions/verify.ts");
      await verify(run, command.optsWithGlobals());
    });
}
