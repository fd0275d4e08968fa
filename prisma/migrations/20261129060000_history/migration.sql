-- DropIndex
DROP INDEX "Event_attemptId_id_idx";

-- CreateIndex
CREATE INDEX "Event_stageId_id_idx" ON "Event"("stageId", "id");

-- CreateIndex
CREATE INDEX "Gate_stageId_idx" ON "Gate"("stageId");

-- What the schema language cannot say -----------------------------------------------------------
-- Indexes of what is open among all that has ended: a look, a sync and a follower cost what they ask for, after years too.

CREATE INDEX "Attempt_live_idx" ON "Attempt"("nodeId") WHERE "endedAt" IS NULL;
CREATE INDEX "Attempt_faults_idx" ON "Attempt"("endedAt") WHERE "cause" IN ('NODE', 'NPU') AND "nodeId" IS NOT NULL;
CREATE INDEX "Stage_open_idx" ON "Stage"("runId") WHERE "endedAt" IS NULL;
CREATE INDEX "Shard_later_idx" ON "Shard"("stageId", "notBefore") WHERE "state" = 'PENDING' AND "notBefore" IS NOT NULL;
CREATE INDEX "Artifact_checkpoint_idx" ON "Artifact"("stageId", "shard") WHERE "kind" = 'checkpoint' AND "goneAt" IS NULL;
CREATE INDEX "Event_warnings_idx" ON "Event"("runId", "id") WHERE "type" = 'worker.warning';
