-- What of the user's own hangs on %(table)s: views, foreign keys of tables outside %(plan)s, and triggers.
SELECT DISTINCT 'the view ' || r.ev_class::regclass::text
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
WHERE d.refobjid = %(table)s::regclass AND d.refclassid = 'pg_class'::regclass AND r.ev_class <> d.refobjid
UNION ALL
SELECT 'a foreign key of ' || c.conrelid::regclass::text
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
WHERE c.contype = 'f' AND c.confrelid = %(table)s::regclass
  AND NOT (t.relname = ANY(%(plan)s) AND t.relnamespace = current_schema()::regnamespace)
UNION ALL
SELECT 'the trigger ' || tgname FROM pg_trigger WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal
ORDER BY 1
