-- The orders that staged chats name, by number (not unique) and, in a title, by id.
WITH wanted AS (
    SELECT id, 'title' AS source, ltrim(order_reference, '0') AS number FROM linking
    WHERE order_reference IS NOT NULL AND NOT is_group
    UNION
    SELECT l.id, 'messages', n.number FROM linking l, unnest(l.order_numbers) AS n(number) WHERE NOT l.is_group
)
SELECT w.id, o.id AS id_ordem_servico, o.id_contato, w.source, false AS by_id
FROM wanted w JOIN ordens_servico o ON ltrim(o.numero_ordem_servico, '0') = w.number
WHERE o.id_contato IS NOT NULL AND w.number <> ''
UNION
SELECT w.id, o.id, o.id_contato, w.source, true
FROM wanted w JOIN ordens_servico o ON o.id = CASE WHEN w.number ~ '^\d{1,9}$' THEN w.number::bigint END
WHERE w.source = 'title' AND o.id_contato IS NOT NULL
ORDER BY 1, 4, 5, 3, 2
