import type { Socket } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";

/**
 * What one server lends to its clients, and for how long: nobody, with a token or without, holds a connection or memory for
 * nothing.
 */
export interface Limits {
  connections: number;
  /** From the connection, or the answer before, to the last header. */
  headMs: number;
  /** A connection without a request. */
  idleMs: number;
  /** From the headers to the end of a body that is read as a whole. */
  bodyMs: number;
  /** A body that is a stream must bring `streamBytes` in each of these. */
  streamMs: number;
  streamBytes: number;
  streams: number;
  /** An answer of which nothing is taken for so long is given up, its connection with it. */
  answerMs: number;
  /** What still comes after an answer is thrown away for so long: a client that sends may not read at once. */
  lingerMs: number;
  /** Bytes of all bodies that are being read as a whole. */
  memory: number;
}

export const defaultLimits: Limits = {
  connections: 2048,
  headMs: 15_000,
  idleMs: 60_000,
  bodyMs: 60_000,
  streamMs: 60_000,
  streamBytes: 4096,
  streams: 512,
  answerMs: 60_000,
  lingerMs: 5_000,
  memory: 512 * 1024 * 1024,
};

/** Too much at once, or too late; `statusCode` is that of HTTP. */
class Refusal extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** A route whose bodies are streams says so in its `config`. */
export interface RouteConfig {
  stream?: boolean;
}

/**
 * Holds a server to its limits. Added after the check of the token: what that one turns away costs nothing more, and the
 * rest of its body is not waited for.
 */
export function addLimits(api: FastifyInstance, limits: Limits): void {
  let memory = 0;
  let streams = 0;
  api.server.maxConnections = limits.connections;
  api.server.on("connection", (socket) => dropUntaken(socket, limits.answerMs));
  api.addHook("onResponse", async (request) => {
    if (!request.raw.complete) setTimeout(() => drop(request), limits.lingerMs).unref();
  });
  api.addHook("onRequest", async (request, reply) => {
    const { headers } = request;
    if (headers["content-length"] === undefined && headers["transfer-encoding"] === undefined) return;
    const { stream } = request.routeOptions.config as RouteConfig;
    const cost = stream ? 0 : bytesOf(request);
    if (memory + cost > limits.memory || streams + (stream ? 1 : 0) > limits.streams)
      throw new Refusal(503, "too much is being received at once; it will do later");
    memory += cost;
    if (stream) streams++;
    const watch = stream ? watched(request, limits) : setTimeout(() => drop(request), limits.bodyMs);
    reply.raw.once("close", () => {
      memory -= cost;
      if (stream) streams--;
      clearTimeout(watch);
    });
  });
}

/** What a body that is read as a whole may take: it says how much, or may have all there is for its route. */
function bytesOf({ headers, routeOptions }: FastifyRequest): number {
  const most = routeOptions.bodyLimit ?? 0;
  const said = Number(headers["content-length"]);
  return Number.isSafeInteger(said) && said >= 0 ? Math.min(said, most) : most;
}

/** Ends a stream that brings next to nothing. Where bytes wait here to be taken, it is this side that is slow. */
function watched(request: FastifyRequest, { streamMs, streamBytes }: Limits): NodeJS.Timeout {
  const { socket } = request.raw;
  let before = socket.bytesRead;
  return setInterval(() => {
    const brought = socket.bytesRead - before;
    before = socket.bytesRead;
    if (brought < streamBytes && request.raw.readableLength === 0) drop(request);
  }, streamMs);
}

/** Ends a connection on which answers wait and nobody takes a byte of them, also without a token. */
function dropUntaken(socket: Socket, answerMs: number): void {
  let before = -1;
  const watch = setInterval(() => {
    // What the system has taken from here.
    const taken = socket.bytesWritten - socket.writableLength;
    if (socket.writableLength > 0 && taken === before) socket.destroy();
    before = taken;
  }, answerMs);
  socket.once("close", () => clearInterval(watch));
}

/** With its connection, which may be gone already. */
function drop({ raw }: FastifyRequest): void {
  if (!raw.complete) raw.destroy();
}
