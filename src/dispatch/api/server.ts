import { createHash, timingSafeEqual } from "node:crypto";
import Fastify, { type FastifyInstance } from "fastify";
import type { z } from "zod";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { type ArtifactPort, addArtifactRoutes } from "./artifact-routes.ts";
import { type ControlPort, eventBatch, exitReport, syncRequest } from "./contract.ts";

/** A batch is read as a whole; one line of an event file may have 32 MiB. */
const bodyLimit = 64 * 1024 * 1024;

interface Named {
  Params: { id: string };
}

/**
 * The HTTP API of serve. Everything but /healthz asks for the bearer token; bodies are checked before the port
 * sees them. Without `artifacts` it serves agents of its own workspace only. Not listening yet.
 */
export function createApi(
  port: ControlPort,
  token: string,
  log: Log,
  artifacts?: ArtifactPort,
): FastifyInstance {
  const api = Fastify({ bodyLimit, forceCloseConnections: true });
  api.addHook("onRequest", async (request, reply) => {
    if (request.routeOptions.url === "/healthz") return;
    if (!isToken(request.headers.authorization, token)) {
      await reply.code(401).send({ code: "E_SERVE", message: "the bearer token is missing or another one" });
    }
  });
  api.setErrorHandler((error, request, reply) => {
    const status = statusOf(error);
    if (status >= 500) log.error("a request failed", { method: request.method, url: request.url, error });
    const known =
      error instanceof LegaloneError ? error.toJSON() : { code: "E_SERVE", message: messageOf(error) };
    return reply.code(status).send(known);
  });

  api.get("/healthz", async (_request, reply) => {
    const health = await port.health();
    return reply.code(health.ok ? 200 : 503).send(health);
  });
  api.post<Named>("/v1/nodes/:id/sync", async ({ params, body }) => {
    return port.sync(params.id, checked(syncRequest, body));
  });
  api.post<Named>("/v1/attempts/:id/events", async ({ params, body }, reply) => {
    const { status, ...answer } = await port.ingest(params.id, checked(eventBatch, body));
    if (status === "stale") return reply.code(409).send({ code: "E_CONFLICT", message: "stale epoch" });
    return reply.code(status === "accepted" ? 200 : 416).send(answer);
  });
  api.post<Named>("/v1/attempts/:id/exit", async ({ params, body }, reply) => {
    const taken = await port.exit(params.id, checked(exitReport, body));
    return taken
      ? {}
      : reply.code(409).send({ code: "E_CONFLICT", message: "stale epoch, or ended already" });
  });
  api.get<Named>("/v1/attempts/:id/launch", async ({ params }) => port.launch(params.id));
  api.post("/v1/doorbell", async () => {
    port.doorbell();
    return {};
  });
  if (artifacts !== undefined) addArtifactRoutes(api, artifacts);
  return api;
}

/** Compared by hash, so that the time taken tells nothing about the token. */
function isToken(header: string | undefined, token: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(header ?? ""), hash(`Bearer ${token}`));
}

class BadRequest extends Error {}

function checked<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const places = result.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  throw new BadRequest(places.slice(0, 5).join("; "));
}

function statusOf(error: unknown): number {
  if (error instanceof BadRequest) return 400;
  if (error instanceof LegaloneError) {
    if (error.code === "E_NOT_FOUND") return 404;
    if (error.code === "E_CONFLICT") return 409;
    return error.code === "E_DATABASE" ? 503 : 500;
  }
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === "number" && statusCode >= 400 ? statusCode : 500;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
