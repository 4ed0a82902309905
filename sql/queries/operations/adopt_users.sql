-- Objects of the user that depend on %(table)s and would move with it or be lost: views, foreign keys of tables outside
-- %(plan)s, triggers, rules, row security, functions, publications, and inheritance.
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
UNION ALL
SELECT 'the rule ' || rulename FROM pg_rewrite WHERE ev_class = %(table)s::regclass
UNION ALL
SELECT 'row security' FROM pg_class WHERE oid = %(table)s::regclass AND relrowsecurity
UNION ALL
SELECT DISTINCT 'the function ' || d.objid::regprocedure::text
FROM pg_depend d JOIN pg_class c ON c.oid = %(table)s::regclass
WHERE d.classid = 'pg_proc'::regclass
  AND ((d.refclassid, d.refobjid) = ('pg_class'::regclass, c.oid)
       OR (d.refclassid = 'pg_type'::regclass
           AND d.refobjid IN (SELECT oid FROM pg_type t WHERE c.reltype IN (t.oid, t.typelem))))
UNION ALL
SELECT 'the publication ' || p.pubname
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = %(table)s::regclass
UNION ALL
SELECT 'the table ' || inhrelid::regclass::text || ', which inherits from it'
FROM pg_inherits WHERE inhparent = %(table)s::regclass
UNION ALL
SELECT 'the table ' || inhparent::regclass::text || ', from which it inherits'
FROM pg_inherits WHERE inhrelid = %(table)s::regclass
ORDER BY 1
