-- What people call a run: no part of what it computes.
ALTER TABLE "Run" ADD COLUMN     "name" TEXT,
ADD COLUMN     "note" TEXT,
ADD COLUMN     "tags" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- A run without a list of tags, or with nothing as one of them, would keep every reader of its table from all rows.
ALTER TABLE "Run" ADD CONSTRAINT "Run_tags_check" CHECK ("tags" IS NOT NULL AND array_position("tags", NULL) IS NULL);
