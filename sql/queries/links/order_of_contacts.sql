-- The orders of the staged sessions' contacts, and those whose number or id a session or title names;
-- a repeated id counts once.
WITH numbers AS (
    SELECT DISTINCT n.number FROM order_linking l, unnest(l.order_numbers) AS n(number)
    UNION
    SELECT title_number FROM order_linking WHERE title_number IS NOT NULL
), wanted AS (
    SELECT o.id FROM ordens_servico o
    WHERE o.id_contato IN (SELECT id_contato FROM order_linking WHERE id_contato IS NOT NULL)
    UNION
    SELECT o.id FROM numbers n JOIN ordens_servico o ON ltrim(o.numero_ordem_servico::text, '0') = n.number
    UNION
    SELECT o.id FROM numbers n
    JOIN ordens_servico o ON o.id = CASE WHEN n.number ~ '^\d{1,9}$' THEN n.number::bigint END
)
SELECT DISTINCT ON (o.id) o.id, coalesce(ltrim(o.numero_ordem_servico::text, '0'), ''), o.id_contato,
       o.data_emissao::date, o.data_conclusao::date,
       concat_ws(' ', o.equipamento, o.linha_dispositivo)
FROM wanted JOIN ordens_servico o USING (id)
ORDER BY o.id, o.data_emissao, o.numero_ordem_servico, o.id_contato
