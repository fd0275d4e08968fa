-- CreateIndex
CREATE INDEX "Shard_stageId_state_index_idx" ON "Shard"("stageId", "state", "index");

-- What the schema language cannot say -----------------------------------------------------------

-- One round trip for all that happens together. What is written here is decided by the callers of src/records.

-- Applies one change of src/core/changes.ts: an insert, a guarded update, a guarded update of all rows that fit, or a
-- removal. A guard that does not hold ends the transaction with SQLSTATE LG001.
CREATE FUNCTION "apply_change"(change jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := change ->> 'table';
    guards text := '';
    sets text;
    changed bigint;
    part record;
BEGIN
    IF change ? 'insert' THEN
        EXECUTE format('INSERT INTO %1$I SELECT (jsonb_populate_record(NULL::%1$I, $1)).*', name)
            USING change -> 'insert';
        RETURN;
    END IF;
    IF change ? 'remove' THEN
        EXECUTE format('DELETE FROM %I WHERE id = $1', name) USING change ->> 'id';
        RETURN;
    END IF;
    FOR part IN SELECT key, value FROM jsonb_each(coalesce(change -> 'expect', change -> 'all')) LOOP
        IF jsonb_typeof(part.value) = 'array' THEN
            guards := guards || format(' AND t.%I::text = ANY (ARRAY(SELECT jsonb_array_elements_text(%L::jsonb)))', part.key, part.value);
        ELSE
            guards := guards || format(' AND t.%1$I IS NOT DISTINCT FROM (jsonb_populate_record(NULL::%2$I, %3$L::jsonb)).%1$I',
                part.key, name, jsonb_build_object(part.key, part.value));
        END IF;
    END LOOP;
    SELECT string_agg(format('%1$I = s.%1$I', key), ', ') INTO sets FROM jsonb_object_keys(change -> 'set') AS key;
    IF change ? 'all' THEN
        EXECUTE format('UPDATE %1$I t SET %2$s FROM jsonb_populate_record(NULL::%1$I, $1) s WHERE true%3$s', name, sets, guards)
            USING change -> 'set';
        RETURN;
    END IF;
    EXECUTE format('UPDATE %1$I t SET %2$s FROM jsonb_populate_record(NULL::%1$I, $1) s WHERE t.id = $2%3$s', name, sets, guards)
        USING change -> 'set', change ->> 'id';
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> 1 THEN
        RAISE EXCEPTION 'stale write to % %', name, change ->> 'id' USING ERRCODE = 'LG001', DETAIL = change::text;
    END IF;
END
$$;

-- Applies changes in order, tells events in the log, takes metrics and puts bells into the outbox; all of it or, when one
-- change is stale, nothing. With a term it is the reconciler that writes: it must hold the office still (SQLSTATE LG002),
-- and need not be told of what it does itself.
CREATE FUNCTION "apply_happenings"(changes jsonb, events jsonb, metrics jsonb, bells jsonb, term int) RETURNS void LANGUAGE plpgsql AS $$
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
            AS m ("attemptId" text, "stageId" text, "name" text, "step" int, "value" float8, "at" timestamptz);
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
