-- What the schema language cannot say -----------------------------------------------------------

-- A time that JavaScript has none for (infinity, years beyond 9999) keeps every reader of its table from all rows. What
-- workers say is bounded where it comes in; these are the tables that are decided from and shown.
DO $$
DECLARE
    place record;
BEGIN
    FOR place IN
        SELECT c.table_name AS name, string_agg(format('%I BETWEEN %L AND %L', c.column_name,
                   '0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999+00'), ' AND ' ORDER BY c.ordinal_position) AS rule
          FROM information_schema.columns c
         WHERE c.table_schema = current_schema() AND c.data_type = 'timestamp with time zone'
           AND c.table_name IN ('Run', 'Quarantine', 'Stage', 'Shard', 'Attempt', 'Artifact', 'Gate', 'Node', 'Lease')
         GROUP BY c.table_name
    LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (%s) NOT VALID', place.name, place.name || '_times_check', place.rule);
    END LOOP;
END
$$;

-- A node without a list of engines would be no node for anybody.
ALTER TABLE "Node" ADD CONSTRAINT "Node_engines_check" CHECK ("engines" IS NOT NULL AND array_position("engines", NULL) IS NULL) NOT VALID;
