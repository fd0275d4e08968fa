-- What the schema language cannot say -----------------------------------------------------------
-- A follower asks what each live attempt does: its newest phase may lie behind years of its stage's events.
CREATE INDEX "Event_phases_idx" ON "Event"("attemptId", "id") WHERE "type" = 'worker.phase';
