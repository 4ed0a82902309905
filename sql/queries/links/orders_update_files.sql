-- A chat has an order of its own when its title names one of its contact's, or all its sessions agree on one.
WITH titled AS (
    SELECT l.id_chat_file, min(o.id) AS id_ordem_servico
    FROM (SELECT DISTINCT id_chat_file, id_contato, title_number FROM order_linking
          WHERE contact_confidence = 1) l
    JOIN ordens_servico o ON ltrim(o.numero_ordem_servico::text, '0') = l.title_number AND o.id_contato = l.id_contato
    GROUP BY l.id_chat_file HAVING count(DISTINCT o.id) = 1
), agreed AS (
    SELECT l.id_chat_file, min(d.target) AS id_ordem_servico,
           (array_agg(d.method ORDER BY d.confidence DESC, d.id))[1] AS method,
           bool_or(d.status = 'manual') AS decided
    FROM order_linking l JOIN decided d ON d.id = l.id
    GROUP BY l.id_chat_file
    HAVING count(DISTINCT d.target) <= 1
), wanted AS (
    SELECT c.id_chat_file,
           CASE WHEN a.decided THEN a.id_ordem_servico
                ELSE coalesce(t.id_ordem_servico, a.id_ordem_servico) END AS id_ordem_servico,
           CASE WHEN a.decided THEN 'override' WHEN t.id_ordem_servico IS NOT NULL THEN 'direct_os_ref'
                WHEN a.id_ordem_servico IS NOT NULL THEN a.method END AS method
    FROM (SELECT DISTINCT id_chat_file FROM order_linking) c
    LEFT JOIN titled t USING (id_chat_file) LEFT JOIN agreed a USING (id_chat_file)
)
UPDATE chat_files f
SET id_ordem_servico = w.id_ordem_servico, order_match_method = w.method, updated_at = now()
FROM wanted w
WHERE f.id = w.id_chat_file
  AND (f.id_ordem_servico, f.order_match_method) IS DISTINCT FROM (w.id_ordem_servico, w.method)
