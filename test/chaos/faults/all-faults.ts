import type { FaultKind } from "../plan/types.ts";
import { fileFaults } from "./file-faults.ts";
import { networkFaults } from "./network-faults.ts";
import { peopleFaults } from "./people-faults.ts";
import { placeFaults } from "./place-faults.ts";
import { poisonFaults } from "./poison-faults.ts";
import { processFaults } from "./process-faults.ts";
import { storeFaults } from "./store-faults.ts";
import type { Inject } from "./types.ts";

export const injectors: Record<FaultKind, Inject> = {
  ...processFaults,
  ...storeFaults,
  ...networkFaults,
  ...fileFaults,
  ...peopleFaults,
  ...placeFaults,
  ...poisonFaults,
};
