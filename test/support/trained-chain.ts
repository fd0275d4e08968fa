import { expect } from "vitest";
import { type CommandLine, openCommandLine } from "./command-line.ts";
import { runNamed } from "./json-lines.ts";

/** A chain with checkpoints at steps 5, 10, 15 and 20 of each training. */
const chain = `
version: 1
name: chain
stages:
  data: {uses: make-data}
  base: {uses: tiny-train, needs: [data], checkpoint: {every: 5, keep: 9}}
  tune: {uses: tiny-train, needs: [data, base], checkpoint: {every: 5, keep: 9}}
  export: {uses: deliver, needs: [tune]}
`;

export interface TrainedChain {
  line: CommandLine;
  /** The pipeline's file. */
  file: string;
  /** The run that trained it. */
  first: string;
}

/** A workspace in which the chain of test/fixtures/stages was trained once. */
export async function trainChain(): Promise<TrainedChain> {
  const line = openCommandLine();
  const file = line.pipeline("chain", chain);
  const outcome = await line.legalone("train", file, "--json");
  expect(outcome.code).toBe(0);
  return { line, file, first: runNamed(outcome) };
}
