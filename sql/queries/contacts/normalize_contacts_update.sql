-- The user's own table shows the first key of each field; nothing else of it is touched.
WITH firsts AS (
    SELECT i.id_contato,
           (array_agg(p.key ORDER BY p.position) FILTER (WHERE p.field = 'celular' AND p.key IS NOT NULL))[1] AS celular,
           (array_agg(p.key ORDER BY p.position) FILTER (WHERE p.field = 'telefone' AND p.key IS NOT NULL))[1] AS telefone
    FROM incoming_inputs i LEFT JOIN incoming_phones p USING (id_contato)
    GROUP BY i.id_contato
)
UPDATE contatos c
SET celular_normalizado = f.celular, telefone_normalizado = f.telefone
FROM firsts f
WHERE c.id = f.id_contato
  AND (c.celular_normalizado, c.telefone_normalizado) IS DISTINCT FROM (f.celular, f.telefone)
