-- The orders that staged chats name, by number (not unique) and, in a title, by id. An order may name a contact
-- that the user's table does not hold: it tells nothing then. OFFSET 0: one look into the index for each number.
WITH wanted AS (
    SELECT id, 'title' AS source, ltrim(order_reference, '0') AS number FROM linking
    WHERE order_reference IS NOT NULL AND NOT is_group
    UNION
    SELECT l.id, 'messages', n.number FROM linking l, unnest(l.order_numbers) AS n(number) WHERE NOT l.is_group
), hits AS (
    SELECT w.id, o.id AS id_ordem_servico, o.id_contato, w.source, false AS by_id
    FROM wanted w CROSS JOIN LATERAL (
        SELECT o.id, o.id_contato FROM ordens_servico o
        WHERE ltrim(o.numero_ordem_servico::text, '0') = w.number OFFSET 0) o
    WHERE w.number <> ''
    UNION
    SELECT w.id, o.id, o.id_contato, w.source, true
    FROM wanted w JOIN ordens_servico o ON o.id = CASE WHEN w.number ~ '^\d{1,9}$' THEN w.number::bigint END
    WHERE w.source = 'title'
)
SELECT id, id_ordem_servico, id_contato, source, by_id FROM hits h
WHERE EXISTS (SELECT FROM contatos c WHERE c.id = h.id_contato)
ORDER BY id, source, by_id, id_contato, id_ordem_servico
