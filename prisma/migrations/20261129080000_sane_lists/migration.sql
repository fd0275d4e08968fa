-- What the schema language cannot say -----------------------------------------------------------

-- An artifact without a list of parents, or with nothing as one of them, keeps every reader of its table from all rows.
UPDATE "Artifact" SET "parents" = array_remove(coalesce("parents", '{}'), NULL)
 WHERE "parents" IS NULL OR array_position("parents", NULL) IS NOT NULL;

ALTER TABLE "Artifact" ADD CONSTRAINT "Artifact_parents_check" CHECK ("parents" IS NOT NULL AND array_position("parents", NULL) IS NULL) NOT VALID;
