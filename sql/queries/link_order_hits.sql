-- The orders that staged chats name, by number (not unique) and, in a title, by id. An order may name a contact
-- that the user's table does not hold: it tells nothing then.
WITH wanted AS (
    SELECT id, 'title' AS source, ltrim(order_reference, '0') AS number FROM linking
    WHERE order_reference IS NOT NULL AND NOT is_group
    UNION
    SELECT l.id, 'messages', n.number FROM linking l, unnest(l.order_numbers) AS n(number) WHERE NOT l.is_group
)
SELECT w.id, o.id AS id_ordem_servico, o.id_contato, w.source, false AS by_id
FROM wanted w JOIN ordens_servico o ON ltrim(o.numero_ordem_servico::text, '0') = w.number
WHERE w.number <> '' AND EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato)
UNION
SELECT w.id, o.id, o.id_contato, w.source, true
FROM wanted w JOIN ordens_servico o ON o.id = CASE WHEN w.number ~ '^\d{1,9}$' THEN w.number::bigint END
WHERE w.source = 'title' AND EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato)
ORDER BY 1, 4, 5, 3, 2
