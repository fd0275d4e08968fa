import type { Command } from "commander";

/**
 * What every file of src/cli/commands/ exports. `define` adds arguments, options, examples and the action;
 * name and summary stand here. The file imports nothing heavy: the action does
 * `const { runTrain } = await import("../actions/train.ts")`.
 * `--json` is a global option: read it with `command.optsWithGlobals().json`.
 * An action ends with an exit code by setting `process.exitCode` or throwing a LegaloneError.
 */
export interface CommandModule {
  define(command: Command): void;
}

/** A command of the first level: its file is src/cli/commands/<name>.ts, loaded only when it is called. */
export interface CommandEntry {
  name: string;
  load(): Promise<CommandModule>;
  /** One line for `legalone --help`. */
  summary: string;
  /** Heading in `legalone --help`. */
  group: "Plan" | "Run" | "Look" | "Machines";
  /** It may be given in a folder that is a copy or half a workspace; every other command is refused there. */
  anyFolder?: true;
}

/** In the order of `legalone --help`. A test keeps it equal to the files of src/cli/commands/. */
export const commandList: readonly CommandEntry[] = [
  {
    name: "validate",
    load: () => import("./commands/validate.ts"),
    group: "Plan",
    summary: "Check the form of a pipeline file; every error with its line and column",
    anyFolder: true,
  },
  {
    name: "plan",
    load: () => import("./commands/plan.ts"),
    group: "Plan",
    summary: "Show what a run would do: stages, order, what is skipped or blocked, and the cost",
  },
  {
    name: "pas",
    load: () => import("./commands/pas.ts"),
    group: "Plan",
    summary: "Plasticity-Adjusted Sampling: preview, explain or write the order of the data",
  },
  {
    name: "train",
    load: () => import("./commands/train.ts"),
    group: "Run",
    summary: "Run a pipeline file from mid-training to the delivered model",
  },
  {
    name: "resume",
    load: () => import("./commands/resume.ts"),
    group: "Run",
    summary: "Go on with a run from its last checkpoints",
  },
  {
    name: "retry",
    load: () => import("./commands/retry.ts"),
    group: "Run",
    summary: "Try stages of a run again, and what comes after them",
  },
  {
    name: "fork",
    load: () => import("./commands/fork.ts"),
    group: "Run",
    summary: "Begin a changed run from a checkpoint of an old one",
  },
  {
    name: "priority",
    load: () => import("./commands/priority.ts"),
    group: "Run",
    summary: "Change how soon a run gets free slots and NPUs",
  },
  {
    name: "label",
    load: () => import("./commands/label.ts"),
    group: "Run",
    summary: "Give a run a name, tags and a note",
  },
  {
    name: "cancel",
    load: () => import("./commands/cancel.ts"),
    group: "Run",
    summary: "Stop a run; its workers save a checkpoint and leave",
  },
  {
    name: "export",
    load: () => import("./commands/export.ts"),
    group: "Run",
    summary: "Copy a delivered model out of a run",
  },
  {
    name: "status",
    load: () => import("./commands/status.ts"),
    group: "Look",
    summary: "List the runs, or show one",
  },
  {
    name: "watch",
    load: () => import("./commands/watch.ts"),
    group: "Look",
    summary: "Follow a run to its end",
  },
  {
    name: "logs",
    load: () => import("./commands/logs.ts"),
    group: "Look",
    summary: "Print or follow the output of a stage",
  },
  {
    name: "metrics",
    load: () => import("./commands/metrics.ts"),
    group: "Look",
    summary: "Print or plot the measured values of a run",
  },
  {
    name: "report",
    load: () => import("./commands/report.ts"),
    group: "Look",
    summary: "Write the report of a run: numbers before and after, gates, lineage",
  },
  {
    name: "diff",
    load: () => import("./commands/diff.ts"),
    group: "Look",
    summary: "Compare two runs: configuration, code, inputs, data, outcome",
  },
  {
    name: "verify",
    load: () => import("./commands/verify.ts"),
    group: "Look",
    summary: "Compare committed files with what was committed, and say what makes damaged ones again",
  },
  {
    name: "lineage",
    load: () => import("./commands/lineage.ts"),
    group: "Look",
    summary: "Show what a model was made from",
  },
  {
    name: "up",
    load: () => import("./commands/up.ts"),
    group: "Machines",
    summary: "Start PostgreSQL, Valkey, the control plane and one agent on this machine",
  },
  {
    name: "down",
    load: () => import("./commands/down.ts"),
    group: "Machines",
    summary: "Stop what `up` started; workers go on unless --workers",
    anyFolder: true,
  },
  {
    name: "serve",
    load: () => import("./commands/serve.ts"),
    group: "Machines",
    summary: "Run the control plane",
  },
  {
    name: "agent",
    load: () => import("./commands/agent.ts"),
    group: "Machines",
    summary: "Run the agent of this node",
  },
  {
    name: "backup",
    load: () => import("./commands/backup.ts"),
    group: "Machines",
    summary: "Write the records and what they name into a folder, while runs go on",
  },
  {
    name: "restore",
    load: () => import("./commands/restore.ts"),
    group: "Machines",
    summary: "Make a workspace from a backup, in an empty folder",
    anyFolder: true,
  },
  {
    name: "adopt",
    load: () => import("./commands/adopt.ts"),
    group: "Machines",
    summary: "Say whether a folder that came from elsewhere was moved or copied, so that it can be used",
    anyFolder: true,
  },
  {
    name: "gc",
    load: () => import("./commands/gc.ts"),
    group: "Machines",
    summary: "Remove outputs, checkpoints and attempt folders that nobody needs",
  },
  {
    name: "doctor",
    load: () => import("./commands/doctor.ts"),
    group: "Machines",
    summary: "Check this machine and say what is missing and how to get it",
    anyFolder: true,
  },
  {
    name: "debug",
    load: () => import("./commands/debug.ts"),
    group: "Machines",
    summary: "Pack what a bug report needs",
  },
];
