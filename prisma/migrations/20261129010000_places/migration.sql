-- Rows name bytes relative to the workspace of who holds them (src/core/places.ts): the workspace may move, and no row
-- leads out of it. A row whose address fits neither form, or not its own hash and attempt, keeps it: nothing reads, serves
-- or removes such a place.
UPDATE "Artifact"
   SET "uri" = 'legalone://artifacts/' || "sha256"
 WHERE "uri" LIKE 'file:///%'
   AND "sha256" ~ '^[0-9a-f]{64}$'
   AND "uri" LIKE '%/artifacts/' || "sha256";

UPDATE "Artifact"
   SET "uri" = 'legalone://attempts/' || "attemptId" || '/step-' || "step"
 WHERE "uri" LIKE 'file:///%'
   AND "kind" = 'checkpoint'
   AND "step" IS NOT NULL
   AND right("uri", length('/attempts/' || "attemptId" || '/step-' || "step")) = '/attempts/' || "attemptId" || '/step-' || "step";
