import { corpusGroups } from "../config/corpus-groups.ts";
import { loadPipeline } from "../config/load.ts";
import { isPasSpec, readPasSpec } from "../config/pas-spec.ts";
import type { ResolvedPipeline, ResolvedStage } from "../config/types.ts";
import { LegaloneError } from "../core/errors.ts";
import { workspace } from "../core/paths.ts";
import { placePath } from "../core/places.ts";
import { withRecordedPipeline } from "../core/recorded.ts";
import type { OrderSpec } from "../recipe/order.ts";
import { type OrderOptions, orderSpecOf, stepsOf } from "../worker/pas-order/order-options.ts";
import { type PackedCells, type PackedLayout, readPackedLayout } from "../worker/pas-order/packed-cells.ts";
import { orderedStage } from "./ordered-stage.ts";

export interface PasSourceOptions {
  set?: string[];
  stage?: string;
  /** Folders of packed data, the shards of a stage in order. */
  packed?: string[];
  /** Take pipeline and packed data from a run, as they were when it was submitted or forked. */
  run?: string;
}

/** An order spec and where its cells come from. */
export interface PasSource {
  spec: OrderSpec;
  /** A spec of its own, without a pipeline. */
  bare: boolean;
  /** null for a bare spec and for assumed cells: there is no data to point into. */
  packed: PackedLayout | null;
  /** Where `packed` lies, the shards of a stage in order. */
  folders: string[];
  /** One sentence for people: what the cells were taken from. */
  from: string;
  /** The cells are not measured: counts and passes are only a sketch. */
  assumed: boolean;
  /** Of the pipeline's stage; a bare spec has no limit. */
  maxPasses: number | undefined;
}

/**
 * Reads a bare spec, or the stage of a pipeline that has an order. Its cells come from `packed`, else from the newest
 * packed artifact of a run of this pipeline, else they are assumed.
 */
export async function readPasSource(file: string | undefined, options: PasSourceOptions): Promise<PasSource> {
  if (options.run !== undefined) return sourceOfRun(options.run, options.stage);
  if (file === undefined)
    throw new LegaloneError("E_USAGE", "an order is that of a file or of a run", {
      hint: "name a pipeline file, or a run with --run",
    });
  if (isPasSpec(file)) {
    return {
      bare: true,
      spec: readPasSpec(file),
      packed: null,
      folders: [],
      from: "the spec",
      assumed: false,
      maxPasses: undefined,
    };
  }
  const pipeline = loadPipeline(file, { set: options.set ?? [] });
  const stage = orderedStage(pipeline, options.stage, { of: pipeline.name });
  const order = stage.with as unknown as OrderOptions;
  const found =
    options.packed === undefined
      ? await newestPacked(pipeline.name)
      : { folders: options.packed, from: options.packed.join(", ") };
  const packed = found ? readPackedLayout(found.folders) : null;
  return {
    bare: false,
    spec: orderSpecOf(order, packed ?? assumedCells(order, stage, pipeline), pipeline.seed),
    packed,
    folders: found?.folders ?? [],
    from:
      found?.from ??
      "assumption: nothing is packed yet, so that groups, equal bands and one pass over each cell are assumed",
    assumed: packed === null,
    maxPasses: order.pas.max_passes,
  };
}

async function sourceOfRun(run: string, wanted: string | undefined): Promise<PasSource> {
  const { withRecords } = await import("./actions/records.ts");
  const { readRun, resolveRunId } = await import("../records/reads/runs.ts");
  const { packedFolders } = await import("./audit/planned.ts");
  let source: PasSource | null = null;
  await withRecords(async (db) => {
    const detail = await readRun(db, await resolveRunId(db, run));
    const { id } = detail.run;
    const { stage, seed } = withRecordedPipeline(detail.run, (pipeline: ResolvedPipeline) => ({
      ...{ stage: orderedStage(pipeline, wanted, { of: `run ${id}` }), seed: pipeline.seed },
    }));
    const row = detail.stages.find(({ name }) => name === stage.name)!;
    const folders = await packedFolders(db, row.cachedFrom ?? row.id);
    if (folders === null)
      throw new LegaloneError("E_NOT_FOUND", `the packed data of ${stage.name} of run ${id} is not here`, {
        hint: "name its folders with --packed and the file with its options, or ask on the machine that trained",
      });
    const order = stage.with as unknown as OrderOptions;
    const packed = readPackedLayout(folders);
    const spec = withRecordedPipeline(detail.run, () => orderSpecOf(order, packed, seed));
    const from = `the packed data of run ${id}`;
    source = { bare: false, spec, packed, folders, from, assumed: false, maxPasses: order.pas.max_passes };
  });
  return source!;
}

async function newestPacked(pipeline: string): Promise<{ folders: string[]; from: string } | null> {
  const { withPlanRecords } = await import("./actions/plan-records.ts");
  const { findNewestOutputs } = await import("../records/reads/planning.ts");
  const { result } = await withPlanRecords(
    async (_, database) => database && findNewestOutputs(database, pipeline, "packed"),
  );
  const folders = result?.artifacts.flatMap(({ uri }) => placePath(workspace(), uri) ?? []) ?? [];
  if (!result || folders.length === 0 || folders.length < result.artifacts.length) return null;
  return { folders, from: `the packed data of ${result.run}` };
}

/** Groups of the corpus configuration, three equal bands, and as many sequences as one pass takes. */
function assumedCells(order: OrderOptions, stage: ResolvedStage, pipeline: ResolvedPipeline): PackedCells {
  const packer = pipeline.stages.find(({ name }) =>
    stage.inputs.some((input) => input.kind === "packed" && input.stage === name),
  );
  const sequenceLength = Number(packer?.with.sequence_length ?? 4096);
  const groups = groupsOf(pipeline);
  const total = stepsOf(order, sequenceLength) * order.batch;
  const bands = ["low", "middle", "high"];
  const sequences = Math.ceil(total / (groups.length * bands.length));
  const cells = groups.flatMap((group) =>
    bands.map((band) => ({ group, band, first: 0, sequences, tokens: sequences * sequenceLength })),
  );
  return { sequenceLength, cells };
}

function groupsOf({ stages }: ResolvedPipeline): string[] {
  const groups = corpusGroups(stages);
  return groups.length > 0 ? groups : ["general", "legal", "synthetic"];
}
