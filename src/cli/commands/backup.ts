import type { Command } from "commander";

export function define(command: Command): void {
  command
    .argument("<folder>", "folder to make; with --check one that was made")
    .option("--no-artifacts", "the records alone, without the bytes of outputs and checkpoints")
    .option("--check", "only read a backup again and compare every file with its manifest", false)
    .addHelpText(
      "after",
      "\n  $ legalone backup /mnt/backups/legalone-monday\n  $ legalone backup /mnt/backups/records --no-artifacts\n  $ legalone backup /mnt/backups/legalone-monday --check\n\nThe records of one moment, and every output and checkpoint they name. Runs go on meanwhile; where nothing runs, the\ndatabase is started for it and stopped again. The folder appears whole or not at all, and is read again before it does.\nOutput of workers (`logs --stdout`) is not in it. docs/workspace.md tells how to bring a workspace elsewhere.",
    )
    .action(async (folder: string) => {
      const { backup } = await import("../actions/backup.ts");
      await backup(folder, command.optsWithGlobals());
    });
}
