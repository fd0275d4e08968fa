-- What the schema language cannot say -----------------------------------------------------------

-- Applies one change of src/core/changes.ts: an insert, the shards of a new stage in one statement, a guarded update, a
-- guarded update of all rows that fit, or a removal. A guard that does not hold ends the transaction with SQLSTATE LG001.
CREATE OR REPLACE FUNCTION "apply_change"(change jsonb) RETURNS void LANGUAGE plpgsql AS $$
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
    IF change ? 'fill' THEN
        INSERT INTO "Shard" ("id", "stageId", "index", "state")
            SELECT f."stageId" || '-s' || n, f."stageId", n, f."state"
              FROM jsonb_to_record(change -> 'fill') AS f ("stageId" text, "count" int, "state" "ShardState"),
                   generate_series(0, f."count" - 1) AS n;
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
