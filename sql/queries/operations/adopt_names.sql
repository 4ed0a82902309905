-- Objects in %(schema)s (null: the schema where tables are created) whose names a migration needs: indexes or relations
-- of %(indexes)s and functions of %(functions)s. Indexes of %(known)s tables move with their tables. Also the tables in
-- %(aside)s that have the name of a table that moves there.
WITH place AS (
    SELECT to_regnamespace(coalesce(%(schema)s, current_schema())) AS schema
)
SELECT 'the index ' || c.relname || coalesce(' of ' || i.indrelid::regclass::text, '')
FROM place JOIN pg_class c ON c.relnamespace = place.schema LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relname = ANY(%(indexes)s)
  AND coalesce((SELECT t.relname <> ALL(%(known)s) FROM pg_class t WHERE t.oid = i.indrelid), true)
UNION
SELECT 'the function ' || p.proname FROM place JOIN pg_proc p ON p.pronamespace = place.schema
WHERE p.proname = ANY(%(functions)s)
UNION
SELECT %(aside)s || '.' || c.relname || ' (is there already; rename it, or drop it)'
FROM pg_class c WHERE c.relnamespace = to_regnamespace(%(aside)s) AND c.relname = ANY(%(known)s)
ORDER BY 1
