/** Rows as reads give them. Outside this folder nothing names the generated client. */
export type { Attempt, Event, Node } from "../generated/client.ts";
