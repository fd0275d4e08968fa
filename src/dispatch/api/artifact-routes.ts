import { createReadStream, lstatSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type ArtifactStore, TransferError } from "../transfer/artifact-store.ts";
import { sizeOf } from "../transfer/durable.ts";
import { longestManifest, type Manifest, Refused, readManifestInSlices } from "../transfer/manifest.ts";
import { artifactParams, checked, uploadParams, uploadQuery } from "./contract.ts";
import type { RouteConfig } from "./limits.ts";

/** Committed artifacts as agents of other machines see them. */
export interface ArtifactPort {
  store: ArtifactStore;
  /** Folder on this machine of the committed artifact of that hash. */
  find(sha256: string): Promise<string | undefined>;
  /**
   * Whether the attempt lives, this is its epoch, and the agent that sends is the one that reports it: what others send fills
   * no disk. @throws LegaloneError E_NODE_TAKEN
   */
  mayUpload(attempt: string, epoch: number, instance: string | undefined): Promise<boolean>;
}

/** Every file asks for the manifest; the content of a hash does not change. */
const manifestsKept = 16;

/**
 * Adds the routes of artifacts. Files are named by their place in the manifest, so no path of a request ever touches
 * the disk. Bodies and answers are streams.
 */
export function addArtifactRoutes(api: FastifyInstance, port: ArtifactPort): void {
  const { store } = port;
  const manifests = new Map<string, Manifest>();
  api.addContentTypeParser("application/octet-stream", (_request, body, done) => done(null, body));

  const manifestOf = async (sha256: string): Promise<{ folder: string; manifest: Manifest }> => {
    const folder = await port.find(sha256);
    if (folder === undefined) throw new TransferError(404, `no committed artifact ${sha256} here`);
    let manifest = manifests.get(folder);
    if (manifest === undefined) {
      manifest = await committedManifest(folder, sha256);
      manifests.set(folder, manifest);
      if (manifests.size > manifestsKept) manifests.delete([...manifests.keys()][0]!);
    }
    return { folder, manifest };
  };

  api.get("/v1/artifacts/:sha256", async ({ params }, reply) => {
    const { manifest } = await manifestOf(checked(artifactParams, params).sha256);
    return reply.type("application/octet-stream").send(manifest.raw);
  });
  api.get("/v1/artifacts/:sha256/files/:index", async ({ params, headers }, reply) => {
    const { sha256, index } = checked(artifactParams, params);
    const { folder, manifest } = await manifestOf(sha256);
    const file = manifest.files[index];
    if (file === undefined) throw new TransferError(404, `no file ${index} in the manifest`);
    const path = join(folder, file.path);
    if (sizeOf(path) !== file.size) {
      refuseAway(folder, sha256);
      throw new TransferError(410, `${file.path} of ${sha256} is not what was committed`);
    }
    const start = firstByte(headers.range);
    if (start > file.size) throw new TransferError(416, `${file.path} has ${file.size} bytes`);
    reply.type("application/octet-stream").header("content-length", file.size - start);
    if (start > 0) reply.code(206).header("content-range", `bytes ${start}-${file.size - 1}/${file.size}`);
    return reply.send(start === file.size ? "" : createReadStream(path, { start }));
  });

  api.post("/v1/attempts/:id/uploads/:sha256", { bodyLimit: longestManifest }, async (request) => {
    const { id, sha256 } = await fenced(port, request);
    return store.begin(id, sha256, await read(bodyOf(request)));
  });
  const stream: RouteConfig = { stream: true };
  api.put("/v1/attempts/:id/uploads/:sha256/files/:index", { config: stream }, async (request) => {
    const { id, sha256, index, offset } = await fenced(port, request);
    return store.receive(id, sha256, { index, offset }, bodyOf(request));
  });
  api.post("/v1/attempts/:id/uploads/:sha256/commit", async (request) => {
    const { id, sha256 } = await fenced(port, request);
    await store.commit(id, sha256);
    return {};
  });
}

/** @throws TransferError 410 when it is damaged, 404 when the disk cannot tell: waiting would not bring it back */
async function committedManifest(folder: string, sha256: string): Promise<Manifest> {
  try {
    return await readManifestInSlices(folder);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // An error of the disk is no damage: nobody gives up an artifact for it.
    const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
    if (code !== undefined && !["ENOENT", "ENOTDIR", "EISDIR"].includes(code))
      throw new TransferError(404, `${sha256} cannot be read: ${error.message}`);
    refuseAway(folder, sha256);
    throw new TransferError(410, `${sha256} is not what was committed: ${error.message}`);
  }
}

/** A folder that is not there as a whole may come back, as a disk does. @throws TransferError 404 */
function refuseAway(folder: string, sha256: string): void {
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new TransferError(404, `${sha256} is committed, and its folder is not there at the moment`);
}

/** Whose upload it is, and of what. @throws TransferError 409 when it is not the sender's attempt */
async function fenced(port: ArtifactPort, { params, query }: FastifyRequest) {
  const upload = { ...checked(uploadParams, params), ...checked(uploadQuery, query) };
  // The attempt names a folder; that it is live says that serve itself gave it that name.
  if (!(await port.mayUpload(upload.id, upload.epoch, upload.instance)))
    throw new TransferError(409, "stale epoch");
  return upload;
}

function bodyOf(request: FastifyRequest): Readable {
  const body = request.body as Readable | undefined;
  if (typeof body?.pipe !== "function")
    throw new TransferError(415, "expected a body of application/octet-stream");
  return body;
}

async function read(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    if (bytes > longestManifest)
      throw new TransferError(413, `a manifest has at most ${longestManifest} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** Of `Range: bytes=N-`, the only form agents use. */
function firstByte(range: string | undefined): number {
  return Number(/^bytes=(\d{1,15})-$/.exec(range ?? "")?.[1] ?? 0);
}
