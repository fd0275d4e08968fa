import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("<folder>", "a backup that `legalone backup` made")
    .addHelpText(
      "after",
      "\n  $ LEGALONE_HOME=/srv/legalone legalone restore /mnt/backups/legalone-monday\n  $ legalone up\n  $ legalone resume\n\nThe workspace LEGALONE_HOME must be empty, and with LEGALONE_DATABASE_URL that database must hold no runs. Every file is\ncompared with the manifest. A restore that was interrupted begins anew when it is given again.",
    )
    .action(async (folder: string) => {
      const { restore } = await import("../actions/restore.ts");
      await restore(folder, command.optsWithGlobals());
    });
}
