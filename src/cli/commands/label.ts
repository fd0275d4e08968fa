import type { Command } from "commander";
import { note, runName, tags } from "../values.ts";

export function define(command: Command): void {
  command
    .argument("<run>", "run: its name, its id or a unique beginning of it; `latest` for the newest")
    .option("--name <name>", "call it so; a name can stand wherever a run can", runName)
    .option("--no-name", "take its name away")
    .option("--tag <tag>", "add a tag; may be repeated", tags)
    .option("--untag <tag>", "take a tag away; may be repeated", tags)
    .option("--note <text>", "what it is for, or what came out; replaces the note it has", note)
    .option("--no-note", "take its note away")
    .addHelpText(
      "after",
      '\n  $ legalone label rk2m --name lambda-8 --tag ablation --note "8 instead of 4"\n  $ legalone label lambda-8 --untag ablation --no-note\n\nWithout options it shows what the run is called. Labels decide nothing: what runs, and what is taken from the cache,\nis the same without them.',
    )
    .action(async (run: string) => {
      const { changeLabels } = await import("../actions/label.ts");
      await changeLabels(run, command.optsWithGlobals());
    });
}
