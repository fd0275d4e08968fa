-- What the schema language cannot say -----------------------------------------------------------

-- The newest checkpoint of a stage, which every view of a run asks for, without reading all of them.
CREATE INDEX "Artifact_newest_checkpoint_idx" ON "Artifact"("stageId", "step" DESC) WHERE "kind" = 'checkpoint' AND "goneAt" IS NULL;
