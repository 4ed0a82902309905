-- Each part of the schema: its object, kind, name, identifying text, and a text whose literals are compared.
SELECT 'table ' || c.relname, 'column', a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated),
       pg_get_expr(d.adbin, d.adrelid)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT 'table ' || c.relname, 'constraint', o.conname, o.contype::text, pg_get_constraintdef(o.oid)
  FROM pg_class c JOIN pg_constraint o ON o.conrelid = c.oid AND o.contype IN ('c', 'u', 'p', 'x')
 WHERE c.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'table ' || c.relname, 'foreign key', o.conname, o.confdeltype::text || f.relname, NULL
  FROM pg_class c JOIN pg_constraint o ON o.conrelid = c.oid AND o.contype = 'f'
  JOIN pg_class f ON f.oid = o.confrelid
 WHERE c.relnamespace = current_schema()::regnamespace AND f.relname NOT IN ('contatos', 'ordens_servico')
UNION ALL
SELECT 'index ' || i.relname, 'index', c.relname, concat_ws(' ', x.indisunique,
       (SELECT string_agg(coalesce(a.attname, '()'), ' ' ORDER BY k.place)
          FROM unnest(x.indkey::int2[]) WITH ORDINALITY k (number, place)
          LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number AND k.number > 0)),
       pg_get_expr(x.indpred, c.oid)
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
 WHERE c.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'table ' || c.relname, 'trigger', t.tgname, concat_ws(' ', t.tgtype, p.proname), NULL
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'function ' || p.proname, 'function', p.pronargs::text,
       concat_ws(' ', p.provolatile, p.prosecdef, p.proretset), regexp_replace(p.prosrc, '\s+', ' ', 'g')
  FROM pg_proc p
 WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f'
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = p.oid AND e.deptype = 'e')
UNION ALL
SELECT 'view ' || c.relname, 'column', a.attname, NULL, NULL
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('v', 'm')
