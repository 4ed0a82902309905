-- Statements that repeat on %(table)s the grants of others on the table of that name in %(aside)s, and on those of its
-- columns that the pipeline's table has too.
SELECT format('GRANT %%s ON %%I TO %%s%%s', a.privilege_type, c.relname,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
              CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE c.relnamespace = to_regnamespace(%(aside)s) AND c.relname = %(table)s AND a.grantee <> c.relowner
UNION ALL
SELECT format('GRANT %%s (%%I) ON %%I TO %%s', a.privilege_type, t.attname, c.relname,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
CROSS JOIN LATERAL aclexplode(t.attacl) a
WHERE c.relnamespace = to_regnamespace(%(aside)s) AND c.relname = %(table)s AND a.grantee <> c.relowner
  AND EXISTS (SELECT FROM pg_attribute n WHERE n.attrelid = to_regclass(%(table)s) AND n.attname = t.attname
                AND NOT n.attisdropped)
ORDER BY 1
