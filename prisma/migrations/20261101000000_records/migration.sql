-- CreateEnum
CREATE TYPE "Desired" AS ENUM ('RUN', 'STOP');

-- CreateEnum
CREATE TYPE "StageState" AS ENUM ('PENDING', 'READY', 'RUNNING', 'SUCCEEDED', 'SKIPPED', 'FAILED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "ShardState" AS ENUM ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "AttemptState" AS ENUM ('DISPATCHING', 'RUNNING', 'UNREACHABLE', 'STOPPING', 'SUCCEEDED', 'FAILED', 'LOST', 'STOPPED');

-- CreateTable
CREATE TABLE "Run" (
    "id" TEXT NOT NULL,
    "pipeline" TEXT NOT NULL,
    "file" TEXT NOT NULL,
    "config" JSONB NOT NULL,
    "written" TEXT NOT NULL,
    "configHash" TEXT NOT NULL,
    "idempotencyKey" TEXT,
    "until" TEXT,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Stage" (
    "id" TEXT NOT NULL,
    "runId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "generation" INTEGER NOT NULL DEFAULT 1,
    "position" INTEGER NOT NULL,
    "state" "StageState" NOT NULL DEFAULT 'PENDING',
    "desired" "Desired" NOT NULL DEFAULT 'RUN',
    "spec" JSONB NOT NULL,
    "codeHash" TEXT NOT NULL,
    "cacheKey" TEXT,
    "cachedFrom" TEXT,
    "reason" TEXT,
    "cause" TEXT,
    "message" TEXT,
    "result" JSONB,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMPTZ(3),
    "endedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Stage_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Shard" (
    "id" TEXT NOT NULL,
    "stageId" TEXT NOT NULL,
    "index" INTEGER NOT NULL,
    "state" "ShardState" NOT NULL DEFAULT 'PENDING',
    "epoch" INTEGER NOT NULL DEFAULT 0,
    "infraUsed" INTEGER NOT NULL DEFAULT 0,
    "numericUsed" INTEGER NOT NULL DEFAULT 0,
    "userUsed" INTEGER NOT NULL DEFAULT 0,
    "stepBack" INTEGER NOT NULL DEFAULT 0,
    "notBefore" TIMESTAMPTZ(3),
    "result" JSONB,

    CONSTRAINT "Shard_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Attempt" (
    "id" TEXT NOT NULL,
    "shardId" TEXT NOT NULL,
    "epoch" INTEGER NOT NULL,
    "state" "AttemptState" NOT NULL DEFAULT 'DISPATCHING',
    "nodeId" TEXT,
    "engine" TEXT NOT NULL,
    "reason" TEXT,
    "cause" TEXT,
    "message" TEXT,
    "exitCode" INTEGER,
    "signal" TEXT,
    "phase" TEXT,
    "phaseAt" TIMESTAMPTZ(3),
    "step" INTEGER,
    "of" INTEGER,
    "unit" TEXT,
    "stepAt" TIMESTAMPTZ(3),
    "stepMs" DOUBLE PRECISION,
    "result" JSONB,
    "acknowledged" BIGINT NOT NULL DEFAULT 0,
    "resumeFrom" TEXT,
    "dispatchedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMPTZ(3),
    "heartbeatAt" TIMESTAMPTZ(3),
    "leaseUntil" TIMESTAMPTZ(3),
    "stopAt" TIMESTAMPTZ(3),
    "stopReason" TEXT,
    "exitedAt" TIMESTAMPTZ(3),
    "endedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Attempt_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Artifact" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "sha256" TEXT NOT NULL,
    "uri" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "meta" JSONB NOT NULL,
    "parents" TEXT[],
    "runId" TEXT NOT NULL,
    "stageId" TEXT NOT NULL,
    "attemptId" TEXT NOT NULL,
    "shard" INTEGER NOT NULL,
    "step" INTEGER,
    "committedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "goneAt" TIMESTAMPTZ(3),

    CONSTRAINT "Artifact_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Gate" (
    "id" TEXT NOT NULL,
    "stageId" TEXT NOT NULL,
    "metric" TEXT NOT NULL,
    "comparison" TEXT NOT NULL,
    "against" TEXT NOT NULL,
    "value" DOUBLE PRECISION,
    "threshold" DOUBLE PRECISION,
    "passed" BOOLEAN NOT NULL,
    "measuredAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Gate_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Node" (
    "id" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "engines" TEXT[],
    "npus" INTEGER NOT NULL DEFAULT 0,
    "slots" INTEGER NOT NULL DEFAULT 1,
    "info" JSONB NOT NULL,
    "agentPid" INTEGER,
    "agentBuild" TEXT,
    "heartbeatAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Node_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Lease" (
    "id" TEXT NOT NULL,
    "nodeId" TEXT NOT NULL,
    "device" INTEGER NOT NULL,
    "attemptId" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Lease_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Event" (
    "id" BIGSERIAL NOT NULL,
    "runId" TEXT NOT NULL,
    "stageId" TEXT,
    "attemptId" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "type" TEXT NOT NULL,
    "data" JSONB NOT NULL,

    CONSTRAINT "Event_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Outbox" (
    "id" BIGSERIAL NOT NULL,
    "topic" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "publishedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Metric" (
    "id" BIGSERIAL NOT NULL,
    "attemptId" TEXT NOT NULL,
    "stageId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "step" INTEGER NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Metric_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Run_idempotencyKey_key" ON "Run"("idempotencyKey");

-- CreateIndex
CREATE INDEX "Stage_state_idx" ON "Stage"("state");

-- CreateIndex
CREATE INDEX "Stage_cacheKey_idx" ON "Stage"("cacheKey");

-- CreateIndex
CREATE UNIQUE INDEX "Stage_runId_name_generation_key" ON "Stage"("runId", "name", "generation");

-- CreateIndex
CREATE UNIQUE INDEX "Shard_stageId_index_key" ON "Shard"("stageId", "index");

-- CreateIndex
CREATE INDEX "Attempt_state_idx" ON "Attempt"("state");

-- CreateIndex
CREATE UNIQUE INDEX "Attempt_shardId_epoch_key" ON "Attempt"("shardId", "epoch");

-- CreateIndex
CREATE INDEX "Artifact_stageId_kind_idx" ON "Artifact"("stageId", "kind");

-- CreateIndex
CREATE INDEX "Artifact_sha256_idx" ON "Artifact"("sha256");

-- CreateIndex
CREATE UNIQUE INDEX "Artifact_attemptId_kind_sha256_key" ON "Artifact"("attemptId", "kind", "sha256");

-- CreateIndex
CREATE INDEX "Lease_attemptId_idx" ON "Lease"("attemptId");

-- CreateIndex
CREATE UNIQUE INDEX "Lease_nodeId_device_key" ON "Lease"("nodeId", "device");

-- CreateIndex
CREATE INDEX "Event_runId_id_idx" ON "Event"("runId", "id");

-- CreateIndex
CREATE INDEX "Event_attemptId_id_idx" ON "Event"("attemptId", "id");

-- CreateIndex
CREATE UNIQUE INDEX "Outbox_topic_key_key" ON "Outbox"("topic", "key");

-- CreateIndex
CREATE INDEX "Metric_stageId_name_step_idx" ON "Metric"("stageId", "name", "step");

-- CreateIndex
CREATE INDEX "Metric_attemptId_name_step_idx" ON "Metric"("attemptId", "name", "step");

-- AddForeignKey
ALTER TABLE "Stage" ADD CONSTRAINT "Stage_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Shard" ADD CONSTRAINT "Shard_stageId_fkey" FOREIGN KEY ("stageId") REFERENCES "Stage"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Attempt" ADD CONSTRAINT "Attempt_shardId_fkey" FOREIGN KEY ("shardId") REFERENCES "Shard"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Artifact" ADD CONSTRAINT "Artifact_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Artifact" ADD CONSTRAINT "Artifact_stageId_fkey" FOREIGN KEY ("stageId") REFERENCES "Stage"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Artifact" ADD CONSTRAINT "Artifact_attemptId_fkey" FOREIGN KEY ("attemptId") REFERENCES "Attempt"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Gate" ADD CONSTRAINT "Gate_stageId_fkey" FOREIGN KEY ("stageId") REFERENCES "Stage"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Lease" ADD CONSTRAINT "Lease_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "Node"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Lease" ADD CONSTRAINT "Lease_attemptId_fkey" FOREIGN KEY ("attemptId") REFERENCES "Attempt"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Event" ADD CONSTRAINT "Event_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Metric" ADD CONSTRAINT "Metric_attemptId_fkey" FOREIGN KEY ("attemptId") REFERENCES "Attempt"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What the schema language cannot say -----------------------------------------------------------

-- Invariant 1: at most one live attempt a shard.
CREATE UNIQUE INDEX "one_live_attempt" ON "Attempt"("shardId")
    WHERE "state" IN ('DISPATCHING', 'RUNNING', 'UNREACHABLE', 'STOPPING');

-- Invariant 3: every ended attempt has a reason and, unless it succeeded, a cause.
ALTER TABLE "Attempt" ADD CONSTRAINT "Attempt_ending_check" CHECK (
    ("state" IN ('DISPATCHING', 'RUNNING', 'UNREACHABLE', 'STOPPING') AND "endedAt" IS NULL)
    OR ("state" = 'SUCCEEDED' AND "endedAt" IS NOT NULL AND "reason" IS NOT NULL)
    OR ("state" IN ('FAILED', 'LOST', 'STOPPED') AND "endedAt" IS NOT NULL AND "reason" IS NOT NULL AND "cause" IS NOT NULL)
);
ALTER TABLE "Attempt" ADD CONSTRAINT "Attempt_epoch_check" CHECK ("epoch" > 0 AND "acknowledged" >= 0);
ALTER TABLE "Shard" ADD CONSTRAINT "Shard_numbers_check" CHECK (
    "index" >= 0 AND "epoch" >= 0 AND "infraUsed" >= 0 AND "numericUsed" >= 0 AND "userUsed" >= 0 AND "stepBack" >= 0
);
ALTER TABLE "Stage" ADD CONSTRAINT "Stage_ending_check" CHECK (
    ("state" IN ('SUCCEEDED', 'SKIPPED', 'FAILED', 'CANCELLED')) = ("endedAt" IS NOT NULL)
);
ALTER TABLE "Gate" ADD CONSTRAINT "Gate_comparison_check" CHECK ("comparison" IN ('below', 'above', 'at_least', 'at_most'));
ALTER TABLE "Artifact" ADD CONSTRAINT "Artifact_step_check" CHECK (("kind" = 'checkpoint') = ("step" IS NOT NULL));

-- Invariant 2: ended attempts never change. The log is only appended to.
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is final', TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER "ended_attempts_are_final" BEFORE UPDATE OR DELETE ON "Attempt"
    FOR EACH ROW WHEN (OLD."endedAt" IS NOT NULL) EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "events_are_append_only" BEFORE UPDATE OR DELETE ON "Event"
    FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
