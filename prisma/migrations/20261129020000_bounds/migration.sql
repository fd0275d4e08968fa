-- AlterTable
ALTER TABLE "Artifact" ALTER COLUMN "step" SET DATA TYPE DOUBLE PRECISION;

-- AlterTable
ALTER TABLE "Attempt" ALTER COLUMN "step" SET DATA TYPE DOUBLE PRECISION,
ALTER COLUMN "of" SET DATA TYPE DOUBLE PRECISION;

-- AlterTable
ALTER TABLE "Metric" ALTER COLUMN "step" SET DATA TYPE DOUBLE PRECISION;

-- What the schema language cannot say -----------------------------------------------------------

-- A step is a whole number up to 2^53 - 1, which a double holds exactly: every reader has it as such a number anyway.
ALTER TABLE "Attempt" ADD CONSTRAINT "Attempt_whole_step_check" CHECK ("step" BETWEEN 0 AND 9007199254740991 AND "step" = trunc("step") AND "of" BETWEEN 0 AND 9007199254740991 AND "of" = trunc("of")) NOT VALID;
ALTER TABLE "Metric" ADD CONSTRAINT "Metric_whole_step_check" CHECK ("step" BETWEEN 0 AND 9007199254740991 AND "step" = trunc("step")) NOT VALID;

-- Places of a node are looked at one by one; src/dispatch/api/contract.ts has the same bounds.
UPDATE "Node" SET "slots" = least(greatest("slots", 1), 1024), "npus" = least(greatest("npus", 0), 1024);
ALTER TABLE "Node" ADD CONSTRAINT "Node_places_check" CHECK ("slots" BETWEEN 1 AND 1024 AND "npus" BETWEEN 0 AND 1024);

-- Applies changes in order, tells events in the log, takes metrics and puts bells into the outbox; all of it or, when one
-- change is stale, nothing. With a term it is the reconciler that writes: it must hold the office still (SQLSTATE LG002),
-- and need not be told of what it does itself.
CREATE OR REPLACE FUNCTION "apply_happenings"(changes jsonb, events jsonb, metrics jsonb, bells jsonb, term int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    change jsonb;
BEGIN
    IF term IS NOT NULL THEN
        PERFORM 1 FROM "Leader" l WHERE l.id = 1 AND l.term = apply_happenings.term FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'another serve decides now' USING ERRCODE = 'LG002';
        END IF;
    END IF;
    FOR change IN SELECT value FROM jsonb_array_elements(changes) LOOP
        PERFORM "apply_change"(change);
    END LOOP;
    INSERT INTO "Event" ("runId", "stageId", "attemptId", "type", "data")
        SELECT e.value ->> 'runId', e.value ->> 'stageId', e.value ->> 'attemptId', e.value ->> 'type', e.value -> 'data'
          FROM jsonb_array_elements(events) WITH ORDINALITY AS e (value, n) ORDER BY n;
    INSERT INTO "Metric" ("attemptId", "stageId", "name", "step", "value", "at")
        SELECT * FROM jsonb_to_recordset(metrics)
            AS m ("attemptId" text, "stageId" text, "name" text, "step" float8, "value" float8, "at" timestamptz);
    IF jsonb_array_length(bells) > 0 THEN
        INSERT INTO "Outbox" ("topic", "key", "payload")
            SELECT b.value ->> 'topic', b.value ->> 'key', '{}'::jsonb FROM jsonb_array_elements(bells) WITH ORDINALITY AS b (value, n) ORDER BY n
            ON CONFLICT ("topic", "key") DO NOTHING;
        IF term IS NULL THEN
            PERFORM pg_notify('legalone', '');
        END IF;
    END IF;
END
$$;
