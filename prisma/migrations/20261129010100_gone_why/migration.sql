-- Why an artifact counts as gone. One that was only not found (missing) may be found again: its mark is taken back then, and
-- nothing removes its bytes. Marks from before say nothing and stay.
ALTER TABLE "Artifact" ADD COLUMN "goneWhy" TEXT;
