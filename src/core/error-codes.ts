interface Entry {
  /** One of `ExitCode`: what an error ends the command line with. */
  exit: number;
  /** One line for docs/errors.md: when it is thrown and what to do. */
  about: string;
}

/** Every error code of the product. docs/errors.md is generated from this table. */
export const errorCodes = {
  E_BUG: {
    exit: 1,
    about: "Something this program did not expect; the message and stack go into a bug report.",
  },
  E_USAGE: { exit: 2, about: "A flag or argument is wrong; `--help` of the command shows its form." },
  E_CONFIG: {
    exit: 2,
    about: "The pipeline or a file of configs/ is wrong; every place is listed with line and column.",
  },
  E_FILE_MISSING: { exit: 2, about: "A file named on the command line or in the pipeline does not exist." },
  E_FILE: {
    exit: 2,
    about:
      "A file or folder of this machine cannot be used: closed to this user, read-only, of another kind or another user's; the message names it.",
  },
  E_DATA: {
    exit: 2,
    about:
      "A data file is missing or not of the documented form; the message names it and what was expected.",
  },
  E_PLAN_REFUSED: {
    exit: 3,
    about: "The plan cannot run: an input is missing or a limit is broken; nothing was started.",
  },
  E_RESUME_REFUSED: {
    exit: 3,
    about: "Order, batch or position differ from what the checkpoint recorded; fork the run instead.",
  },
  E_STAGE_FAILED: {
    exit: 4,
    about: "A stage ended without its outputs; `legalone logs RUN STAGE` shows why.",
  },
  E_CANCELLED: {
    exit: 5,
    about: "The run was cancelled; `legalone resume RUN` goes on from its last checkpoint.",
  },
  E_STILL_RUNNING: {
    exit: 6,
    about: "The command left while the run goes on; `legalone status RUN` finds it again.",
  },
  E_NOT_FOUND: {
    exit: 7,
    about: "No run, stage or artifact of that name; `legalone status` lists the runs.",
  },
  E_CONFLICT: {
    exit: 8,
    about:
      "The request contradicts what is recorded, for example a used idempotency key with another configuration.",
  },
  E_REFUSED: {
    exit: 2,
    about: "The records refuse a value that was sent to them (text, number or size); the message names it.",
  },
  E_DAMAGED: {
    exit: 8,
    about: "Committed files are not what was committed; the message names them and what makes them again.",
  },
  E_WORKSPACE: {
    exit: 8,
    about:
      "The folder is a copy, was moved while it ran, is in use on another machine, or belongs to another database; docs/workspace.md.",
  },
  E_BACKUP: {
    exit: 8,
    about: "A backup is not whole or was altered, or the folder to restore into is not empty.",
  },
  E_DATABASE: { exit: 9, about: "PostgreSQL cannot be reached or refuses the login." },
  E_QUEUE: { exit: 9, about: "Valkey or Redis cannot be reached, or is not set to `noeviction`." },
  E_SERVE: { exit: 9, about: "The control plane cannot be reached or did not start; its log is named." },
  E_NODE: { exit: 9, about: "A node or its agent cannot be reached." },
  E_NODE_TAKEN: {
    exit: 8,
    about:
      "Another agent holds the name of this node; the message says which. It waits until that one is gone; `--node` or LEGALONE_NODE gives it a name of its own.",
  },
  E_DISK_FULL: {
    exit: 9,
    about:
      "The disk of the workspace is full. What was committed is whole; make room and give the command again.",
  },
  E_MIGRATION: { exit: 9, about: "The database's schema differs from this version's migrations." },
  E_SETUP: { exit: 2, about: "Something that set-up installs is missing; `npm run setup` installs it." },
  E_GATE_FAILED: {
    exit: 10,
    about: "A measured gate did not hold; the report shows the value and the threshold.",
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof errorCodes;
