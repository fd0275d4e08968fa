import { createHash, timingSafeEqual } from "node:crypto";
import Fastify, { type FastifyInstance } from "fastify";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { eventsFrom } from "../../worker/protocol.ts";
import { type ArtifactPort, addArtifactRoutes } from "./artifact-routes.ts";
import {
  type ControlPort,
  checked,
  type EventLine,
  eventBatch,
  exitReport,
  leaveNotice,
  named,
  RequestRefused,
  syncRequest,
} from "./contract.ts";
import { addLimits, defaultLimits, type Limits } from "./limits.ts";
import { withinQuota } from "./quota.ts";

/** A batch is read as a whole; one line of an event file may have 16 MiB, and some take twice as many as JSON. */
const batchBytes = 32 * 1024 * 1024;
/** A sync names every attempt of a node. */
const syncBytes = 4 * 1024 * 1024;
/** Everything else. */
const bodyLimit = 256 * 1024;

/**
 * The HTTP API of serve. Everything but /healthz asks for the bearer token before a byte of a body is read; each part of a
 * request is checked before the port sees it. Without `artifacts` it serves agents of its own workspace only. Not
 * listening yet.
 */
export function createApi(
  port: ControlPort,
  token: string,
  log: Log,
  artifacts?: ArtifactPort,
  limits: Limits = defaultLimits,
): FastifyInstance {
  const { headMs, idleMs } = limits;
  const api = Fastify({
    bodyLimit,
    forceCloseConnections: true,
    keepAliveTimeout: idleMs,
    // Uploads take as long as they take; how long a body may take is for the limits to say.
    requestTimeout: 0,
    http: {
      headersTimeout: headMs,
      connectionsCheckingInterval: Math.min(1000, headMs),
      maxHeaderSize: 16_384,
    },
    routerOptions: { maxParamLength: 200 },
    // What a line may hold is for the protocol to say, line by line.
    onProtoPoisoning: "ignore",
    onConstructorPoisoning: "ignore",
  });
  api.addHook("onRequest", async (request, reply) => {
    if (request.routeOptions.url === "/healthz") return;
    if (!isToken(request.headers.authorization, token)) {
      await reply.code(401).send({
        code: "E_SERVE",
        message:
          "the bearer token is missing or another one: LEGALONE_TOKEN of the agent is to be `token` in serve.json of the control plane's workspace",
      });
    }
  });
  addLimits(api, limits);
  api.setErrorHandler((error, request, reply) => {
    // Its client is gone: nobody reads the answer, and nothing failed here.
    const status = request.raw.destroyed && !request.raw.complete ? 408 : statusOf(error);
    if (status >= 500 && status !== 503)
      log.error("a request failed", { method: request.method, url: request.url, error });
    const known =
      error instanceof LegaloneError ? error.toJSON() : { code: "E_SERVE", message: messageOf(error) };
    return reply.code(status).send(known);
  });

  api.get("/healthz", async (_request, reply) => {
    const health = await port.health();
    return reply.code(health.ok ? 200 : 503).send(health);
  });
  api.post("/v1/nodes/:id/sync", { bodyLimit: syncBytes }, async ({ params, body }) => {
    return port.sync(checked(named, params).id, checked(syncRequest, body));
  });
  api.post("/v1/nodes/:id/leave", async ({ params, body }) => {
    await port.leave(checked(named, params).id, checked(leaveNotice, body).instance);
    return {};
  });
  api.post("/v1/attempts/:id/events", { bodyLimit: batchBytes }, async ({ params, body }, reply) => {
    const { id } = checked(named, params);
    const { lines, ...batch } = checked(eventBatch, body);
    const { status, ...answer } = await port.ingest(id, {
      ...batch,
      lines: withinQuota(eventsOf(lines, batch.offset), batch.offset, batch.bytes),
    });
    if (status === "stale") return reply.code(409).send({ code: "E_CONFLICT", message: "stale epoch" });
    return reply.code(status === "accepted" ? 200 : 416).send(answer);
  });
  api.post("/v1/attempts/:id/exit", async ({ params, body }, reply) => {
    const taken = await port.exit(checked(named, params).id, checked(exitReport, body));
    return taken
      ? {}
      : reply.code(409).send({ code: "E_CONFLICT", message: "stale epoch, or ended already" });
  });
  api.get("/v1/attempts/:id/launch", async ({ params }) => port.launch(checked(named, params).id));
  api.post("/v1/doorbell", async () => {
    port.doorbell();
    return {};
  });
  if (artifacts !== undefined) addArtifactRoutes(api, artifacts);
  return api;
}

/**
 * The events of a batch, whoever sent it: agents clean and check what they send, and older ones do not. These also said
 * where a folder stays, which serve knows by itself.
 */
function eventsOf(lines: readonly unknown[], offset: number): EventLine[] {
  return lines.flatMap((line, index): EventLine[] => {
    const { uri, ...told } =
      typeof line === "object" && line !== null ? (line as Record<string, unknown>) : {};
    return eventsFrom(uri === undefined ? line : told, `line ${index} of the batch at byte ${offset}`);
  });
}

/** Compared by hash, so that the time taken tells nothing about the token. */
function isToken(header: string | undefined, token: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(header ?? ""), hash(`Bearer ${token}`));
}

function statusOf(error: unknown): number {
  if (error instanceof RequestRefused) return 400;
  if (error instanceof LegaloneError) {
    if (error.code === "E_NOT_FOUND") return 404;
    if (error.code === "E_CONFLICT" || error.code === "E_NODE_TAKEN") return 409;
    if (error.code === "E_REFUSED") return 422;
    return error.code === "E_DATABASE" ? 503 : 500;
  }
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === "number" && statusCode >= 400 ? statusCode : 500;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
