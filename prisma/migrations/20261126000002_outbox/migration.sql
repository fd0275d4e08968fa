-- Every look asks for bells that have not rung; there are hardly ever any among those of the last hour.
CREATE INDEX "Outbox_unpublished_idx" ON "Outbox"("id") WHERE "publishedAt" IS NULL;
