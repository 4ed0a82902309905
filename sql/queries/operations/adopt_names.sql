-- What has a name in %(schema)s (null: the schema where tables are made) that a migration gives: an index or relation of
-- %(indexes)s and a function of %(functions)s. Indexes of %(known)s go where their tables go. Tables in %(aside)s
-- would meet those that are set aside.
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
