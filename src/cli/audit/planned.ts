import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ResolvedPipeline } from "../../config/types.ts";
import { LegaloneError } from "../../core/errors.ts";
import { workspace } from "../../core/paths.ts";
import { placePath } from "../../core/places.ts";
import { withRecordedPipeline } from "../../core/recorded.ts";
import type { WalkedOrder } from "../../recipe/audit.ts";
import type { OrderSpec } from "../../recipe/order.ts";
import type { Database } from "../../records/database.ts";
import { inputArtifacts } from "../../records/inputs.ts";
import { readOrderFile } from "../../worker/pas-order/order-folder.ts";
import { type OrderOptions, orderSpecOf } from "../../worker/pas-order/order-options.ts";
import { readPackedLayout } from "../../worker/pas-order/packed-cells.ts";
import { walkFolder, walkSpec } from "./walk.ts";

/** The order that a stage has to follow, its cells, and one sentence on where it was taken from. */
export interface PlannedOrder {
  order: WalkedOrder;
  spec: OrderSpec;
  cells: { group: string; band: string; sequences: number }[];
  from: string;
}

/**
 * The order of a stage, computed anew from its packed data and options. Where the data is gone or not on this machine,
 * it is read from the first of `folders` (order folders of its attempts) that is there.
 * @throws E_NOT_FOUND where there is neither
 */
export async function plannedOrder(
  db: Database,
  stage: { id: string; name: string; run: string; pipeline: ResolvedPipeline },
  folders: readonly string[],
): Promise<PlannedOrder> {
  const { id, name, pipeline } = stage;
  const packed = await packedFolders(db, id);
  if (packed !== null) {
    const layout = readPackedLayout(packed);
    const spec = withRecordedPipeline({ id: stage.run, config: pipeline }, () => {
      const options = pipeline.stages.find((one) => one.name === name)!.with as unknown as OrderOptions;
      return orderSpecOf(options, layout, pipeline.seed);
    });
    return {
      order: walkSpec(
        spec,
        layout.cells.map(({ first }) => first),
      ),
      spec,
      cells: spec.cells,
      from: `computed anew from ${packed.length === 1 ? "the packed data" : `${packed.length} shards of packed data`} and the options of the run`,
    };
  }
  for (const folder of folders) {
    const order = readOrderFile(folder);
    if (order)
      return {
        order: walkFolder(folder, order),
        spec: order,
        cells: order.cells,
        from: `read from ${folder}: the packed data is not here`,
      };
  }
  throw new LegaloneError(
    "E_NOT_FOUND",
    `${name} of run ${stage.run} has no order to compare with: neither its packed data nor an order folder is on this machine`,
    { hint: "run the audit on the machine that trained" },
  );
}

/** Folders of the packed data that a stage took, shards in order; null where not all of them are here. */
export async function packedFolders(db: Database, stageId: string): Promise<string[] | null> {
  const inputs = (await inputArtifacts(db, stageId)).filter(({ kind }) => kind === "packed");
  const folders = inputs.map(({ artifact }) => folderOf(artifact.uri)).filter((folder) => folder !== null);
  return folders.length > 0 && folders.length === inputs.length ? folders : null;
}

function folderOf(uri: string): string | null {
  const folder = placePath(workspace(), uri);
  return folder !== undefined && existsSync(join(folder, "cells.json")) ? folder : null;
}
