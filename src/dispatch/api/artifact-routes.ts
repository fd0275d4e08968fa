import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type ArtifactStore, TransferError } from "../transfer/artifact-store.ts";
import { sizeOf } from "../transfer/durable.ts";
import { isHash, type Manifest, Refused, readManifest } from "../transfer/manifest.ts";

/** Committed artifacts as agents of other machines see them. */
export interface ArtifactPort {
  store: ArtifactStore;
  /** Folder on this machine of the committed artifact of that hash. */
  find(sha256: string): Promise<string | undefined>;
  /** Whether the attempt lives and this is its epoch: what a stale one sends fills no disk. */
  isLive(attempt: string, epoch: number): Promise<boolean>;
}

/** A manifest names a file in about 150 bytes. */
const longestManifest = 64 * 1024 * 1024;
/** A connection that was cut without a word is given up after this. */
const silenceMs = 60_000;
/** Every file asks for the manifest; the content of a hash does not change. */
const manifestsKept = 16;

interface Upload {
  Params: { id: string; sha256: string; index?: string };
  Querystring: { epoch?: string; offset?: string };
}

interface Download {
  Params: { sha256: string; index: string };
}

/**
 * Adds the routes of artifacts. Files are named by their place in the manifest, so no path of a request ever touches
 * the disk. Bodies and answers are streams.
 */
export function addArtifactRoutes(api: FastifyInstance, port: ArtifactPort): void {
  const { store } = port;
  const manifests = new Map<string, Manifest>();
  api.addContentTypeParser("application/octet-stream", (_request, body, done) => done(null, body));

  const manifestOf = async (sha256: string): Promise<{ folder: string; manifest: Manifest }> => {
    const folder = isHash(sha256) ? await port.find(sha256) : undefined;
    if (folder === undefined) throw new TransferError(404, `no committed artifact ${sha256} here`);
    let manifest = manifests.get(folder);
    if (manifest === undefined) {
      manifest = committedManifest(folder, sha256);
      manifests.set(folder, manifest);
      if (manifests.size > manifestsKept) manifests.delete([...manifests.keys()][0]!);
    }
    return { folder, manifest };
  };

  api.get<Download>("/v1/artifacts/:sha256", async ({ params }, reply) => {
    const { manifest } = await manifestOf(params.sha256);
    return reply.type("application/octet-stream").send(manifest.raw);
  });
  api.get<Download>("/v1/artifacts/:sha256/files/:index", async ({ params, headers }, reply) => {
    const { folder, manifest } = await manifestOf(params.sha256);
    const file = manifest.files[whole(params.index)];
    if (file === undefined) throw new TransferError(404, `no file ${params.index} in the manifest`);
    const path = join(folder, file.path);
    if (sizeOf(path) !== file.size)
      throw new TransferError(410, `${file.path} of ${params.sha256} is not what was committed`);
    const start = firstByte(headers.range);
    if (start > file.size) throw new TransferError(416, `${file.path} has ${file.size} bytes`);
    reply.type("application/octet-stream").header("content-length", file.size - start);
    if (start > 0) reply.code(206).header("content-range", `bytes ${start}-${file.size - 1}/${file.size}`);
    return reply.send(start === file.size ? "" : createReadStream(path, { start }));
  });

  api.post<Upload>("/v1/attempts/:id/uploads/:sha256", async (request) => {
    const { id, sha256 } = await fenced(port, request);
    return store.begin(id, sha256, await read(bodyOf(request)));
  });
  api.put<Upload>("/v1/attempts/:id/uploads/:sha256/files/:index", async (request) => {
    const { id, sha256, index } = await fenced(port, request);
    return store.receive(id, sha256, { index, offset: whole(request.query.offset ?? "0") }, bodyOf(request));
  });
  api.post<Upload>("/v1/attempts/:id/uploads/:sha256/commit", async (request) => {
    const { id, sha256 } = await fenced(port, request);
    await store.commit(id, sha256);
    return {};
  });
}

/** @throws TransferError 410 when it is damaged, 404 when the disk cannot tell: waiting would not bring it back */
function committedManifest(folder: string, sha256: string): Manifest {
  try {
    return readManifest(folder);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // An error of the disk is no damage: nobody gives up an artifact for it.
    const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
    if (code !== undefined && !["ENOENT", "ENOTDIR", "EISDIR"].includes(code))
      throw new TransferError(404, `${sha256} cannot be read: ${error.message}`);
    throw new TransferError(410, `${sha256} is not what was committed: ${error.message}`);
  }
}

async function fenced(
  port: ArtifactPort,
  { params, query }: FastifyRequest<Upload>,
): Promise<{ id: string; sha256: string; index: number }> {
  const { id, sha256, index = "0" } = params;
  if (!isHash(sha256)) throw new TransferError(400, `${String(sha256).slice(0, 80)} is no SHA-256`);
  // The attempt names a folder; that it is live says that serve itself gave it that name.
  if (!(await port.isLive(id, whole(query.epoch ?? "0")))) throw new TransferError(409, "stale epoch");
  return { id, sha256, index: whole(index) };
}

function bodyOf(request: FastifyRequest): Readable {
  const body = request.body as Readable | undefined;
  if (typeof body?.pipe !== "function")
    throw new TransferError(415, "expected a body of application/octet-stream");
  // The server ends a connection that is silent for so long.
  request.raw.socket.setTimeout(silenceMs);
  return body;
}

async function read(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    if (bytes > longestManifest) throw new TransferError(413, "a manifest has at most 64 MiB");
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new TransferError(400, `${text} is no whole number`);
  return value;
}

/** Of `Range: bytes=N-`, the only form agents use. */
function firstByte(range: string | undefined): number {
  return Number(/^bytes=(\d{1,15})-$/.exec(range ?? "")?.[1] ?? 0);
}
