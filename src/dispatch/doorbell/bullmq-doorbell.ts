import { setTimeout as sleep } from "node:timers/promises";
import { Queue, Worker } from "bullmq";
import { type RedisOptions as AllOptions, Redis } from "ioredis";
import type { QueueSpec } from "../../core/connections.ts";
import { LegaloneError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Answer, Doorbell } from "./doorbell.ts";
import { AnswerRound } from "./timer-doorbell.ts";

/** `replyMapping` is typed more narrowly by the constructor than by its own options. */
type RedisOptions = Omit<AllOptions, "replyMapping">;

const ringPatienceMs = 1000;
const closePatienceMs = 2000;
const weekSeconds = 7 * 24 * 3600;

/** Settles when `work` does, however it ends, and at the latest when a server that does not answer has had its time. */
function soon(work: Promise<unknown>): Promise<unknown> {
  return Promise.race([work.catch(() => {}), sleep(closePatienceMs, undefined, { ref: false })]);
}

/** Doorbell over BullMQ. Jobs carry a key and last as long as the answer: seconds. */
export class BullmqDoorbell implements Doorbell {
  private readonly queues = new Map<string, Queue>();
  private readonly workers: Worker[] = [];
  private readonly rounds: AnswerRound[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly spec: QueueSpec;
  private readonly prefix: string;
  private readonly log: Log;
  private closed = false;
  private failing = false;

  /** `prefix` keeps the queues of workspaces that share a server apart. Connecting happens in the background. */
  constructor(spec: QueueSpec, prefix: string, log: Log) {
    this.spec = spec;
    this.prefix = prefix;
    this.log = log;
  }

  async ring(queue: string, key: string): Promise<boolean> {
    if (this.failing || this.closed) return false;
    // No job id of its own: a kept job of the same id would swallow the ring.
    const added = this.queue(queue).add("ring", { key });
    const late = new Promise<"late">((resolve) => setTimeout(() => resolve("late"), ringPatienceMs).unref());
    try {
      return (await Promise.race([added, late])) !== "late";
    } catch (error) {
      this.heard(error);
      return false;
    } finally {
      added.catch(() => {});
    }
  }

  listen(queue: string, answer: Answer, { everyMs }: { everyMs: number }): void {
    const round = new AnswerRound(answer, this.log);
    this.rounds.push(round);
    const worker = new Worker(queue, (job) => round.call((job.data as { key?: string }).key), {
      // A worker waits for its server for ever; commands without a limit of retries are BullMQ's demand.
      connection: this.connect({ maxRetriesPerRequest: null }),
      prefix: this.prefix,
    });
    worker.on("error", (error) => this.heard(error));
    worker.on("ready", () => this.recovered());
    worker.on("failed", (_job, error) => this.log.error("a doorbell job failed", { queue, error }));
    this.workers.push(worker);
    // The timer fires whether the bell works or not, but not when it has just rung.
    const timer = setInterval(() => {
      if (round.age() >= everyMs / 2) void round.call(undefined);
    }, everyMs);
    this.timers.push(timer);
  }

  healthy(): boolean {
    return !this.failing && !this.closed;
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const timer of this.timers) clearInterval(timer);
    // Without `force`, closing waits for a server that may never come back, or is just coming back. What a bell asked for
    // is waited for below; one that is cut off rings again.
    await Promise.all(this.workers.map((worker) => soon(worker.close(true))));
    await Promise.all(this.rounds.map((round) => round.idle()));
    await Promise.all([...this.queues.values()].map((queue) => soon(queue.close())));
    for (const connection of this.connections) connection.disconnect();
  }

  private queue(name: string): Queue {
    const known = this.queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, {
      // Fail when the server goes away, rather than keep commands for its return.
      connection: this.connect({ enableOfflineQueue: false, maxRetriesPerRequest: 1 }),
      prefix: this.prefix,
      defaultJobOptions: {
        attempts: 5,
        backoff: { type: "exponential", delay: 1000 },
        removeOnComplete: true,
        removeOnFail: { age: weekSeconds },
      },
    });
    queue.on("error", (error) => this.heard(error));
    this.queues.set(name, queue);
    return queue;
  }

  private readonly connections: Redis[] = [];

  private connect(options: RedisOptions): Redis {
    const connection = openRedis(this.spec, options);
    connection.on("error", (error) => this.heard(error));
    connection.on("ready", () => this.recovered());
    this.connections.push(connection);
    return connection;
  }

  /** Said once an outage; a server that is away repeats its error several times a second. */
  private heard(error: unknown): void {
    if (this.failing || this.closed) return;
    this.failing = true;
    this.log.warn("the queue is away; timers go on alone", {
      error: error instanceof Error ? error.message : error,
    });
  }

  private recovered(): void {
    if (!this.failing) return;
    this.failing = false;
    this.log.info("the queue is back");
  }
}

/** @throws E_QUEUE when the server cannot be reached within two seconds, or may throw jobs away when full. */
export async function checkQueue(spec: QueueSpec): Promise<void> {
  const redis = openRedis(spec, {
    lazyConnect: true,
    connectTimeout: 2000,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  // Without a listener a refused connection would end the process.
  redis.on("error", () => {});
  try {
    await redis.connect();
    const memory = await redis.info("memory");
    const policy = /maxmemory_policy:(\S+)/.exec(memory)?.[1] ?? "unknown";
    if (policy !== "noeviction")
      throw new LegaloneError(
        "E_QUEUE",
        `the queue server's maxmemory-policy is ${policy}, expected noeviction`,
        {
          hint: "`CONFIG SET maxmemory-policy noeviction`, and in its configuration file.",
        },
      );
  } catch (error) {
    if (error instanceof LegaloneError) throw error;
    const seen = error instanceof Error ? error.message : String(error);
    throw new LegaloneError("E_QUEUE", `the queue server does not answer: ${seen}`, {
      cause: error,
      hint: "`legalone up` starts the embedded one; LEGALONE_REDIS_URL names another.",
    });
  } finally {
    redis.disconnect();
  }
}

function openRedis(spec: QueueSpec, options: RedisOptions): Redis {
  if ("url" in spec) return new Redis(spec.url, options);
  return new Redis({ ...options, path: spec.path });
}
