/** A command of the first level: its file is src/cli/commands/<name>.ts, loaded only when it is called. */
export interface CommandEntry {
  name: string;
  /** One line for `legalone --help`. */
  summary: string;
  /** Heading in `legalone --help`. */
  group: "Plan" | "Run" | "Look" | "Machines";
}

/** In the order of `legalone --help`. A test keeps it equal to the files of src/cli/commands/. */
export const commandList: readonly CommandEntry[] = [
  {
    name: "validate",
    group: "Plan",
    summary: "Check the form of a pipeline file; every error with its line and column",
  },
  {
    name: "plan",
    group: "Plan",
    summary: "Show what a run would do: stages, order, what is skipped or blocked, and the cost",
  },
  {
    name: "pas",
    group: "Plan",
    summary: "Plasticity-Adjusted Sampling: preview, explain or write the order of the data",
  },
  { name: "train", group: "Run", summary: "Run a pipeline file from mid-training to the delivered model" },
  { name: "resume", group: "Run", summary: "Go on with a run from its last checkpoints" },
  { name: "retry", group: "Run", summary: "Try stages of a run again, and what comes after them" },
  { name: "fork", group: "Run", summary: "Begin a changed run from a checkpoint of an old one" },
  { name: "priority", group: "Run", summary: "Change how soon a run gets free slots and NPUs" },
  { name: "cancel", group: "Run", summary: "Stop a run; its workers save a checkpoint and leave" },
  { name: "export", group: "Run", summary: "Copy a delivered model out of a run" },
  { name: "status", group: "Look", summary: "List the runs, or show one" },
  { name: "watch", group: "Look", summary: "Follow a run to its end" },
  { name: "logs", group: "Look", summary: "Print or follow the output of a stage" },
  { name: "metrics", group: "Look", summary: "Print or plot the measured values of a run" },
  {
    name: "report",
    group: "Look",
    summary: "Write the report of a run: numbers before and after, gates, lineage",
  },
  { name: "diff", group: "Look", summary: "Compare two runs: configuration, code, inputs, data, outcome" },
  { name: "lineage", group: "Look", summary: "Show what a model was made from" },
  {
    name: "up",
    group: "Machines",
    summary: "Start PostgreSQL, Valkey, the control plane and one agent on this machine",
  },
  { name: "down", group: "Machines", summary: "Stop what `up` started; workers go on unless --workers" },
  { name: "serve", group: "Machines", summary: "Run the control plane" },
  { name: "agent", group: "Machines", summary: "Run the agent of this node" },
  {
    name: "gc",
    group: "Machines",
    summary: "Remove outputs, checkpoints and attempt folders that nobody needs",
  },
  {
    name: "doctor",
    group: "Machines",
    summary: "Check this machine and say what is missing and how to get it",
  },
  { name: "debug", group: "Machines", summary: "Pack what a bug report needs" },
];
