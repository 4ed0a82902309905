-- A chat has an order if all its sessions agree on one. The number in its title is evidence like any other: it chooses
-- among the orders of linked sessions. If no session is linked, it decides alone only if its order is a candidate of a
-- session, so that the dates fit. After a person's decision, sessions can be pending; such a chat has no order until its
-- month is linked again.
WITH titled AS (
    SELECT DISTINCT l.id_chat_file, o.id AS target
    FROM order_linking l
    JOIN ordens_servico o ON ltrim(o.numero_ordem_servico::text, '0') = l.title_number AND o.id_contato = l.id_contato
    WHERE l.contact_confidence = 1
), linked AS (
    SELECT DISTINCT l.id_chat_file, d.target FROM order_linking l JOIN decided d ON d.id = l.id
    WHERE d.target IS NOT NULL
), confirmed AS (
    SELECT t.id_chat_file, min(t.target) AS id_ordem_servico
    FROM titled t JOIN linked k ON k.id_chat_file = t.id_chat_file AND k.target = t.target
    GROUP BY t.id_chat_file HAVING count(*) = 1
), fitting AS (
    SELECT t.id_chat_file, min(t.target) AS id_ordem_servico
    FROM titled t
    WHERE NOT EXISTS (SELECT FROM linked k WHERE k.id_chat_file = t.id_chat_file)
      AND EXISTS (SELECT FROM order_linking l JOIN candidates c ON c.id = l.id
                  WHERE l.id_chat_file = t.id_chat_file AND c.target = t.target)
    GROUP BY t.id_chat_file HAVING count(*) = 1
), agreed AS (
    SELECT l.id_chat_file, min(d.target) AS id_ordem_servico,
           (array_agg(d.method ORDER BY d.confidence DESC, d.id) FILTER (WHERE d.target IS NOT NULL))[1] AS method,
           bool_or(d.status = 'manual') AS decided
    FROM order_linking l JOIN decided d ON d.id = l.id
    GROUP BY l.id_chat_file
    HAVING count(DISTINCT d.target) <= 1
), waiting AS (
    SELECT DISTINCT l.id_chat_file FROM order_linking l JOIN decided d ON d.id = l.id WHERE d.status = 'pending'
), wanted AS (
    SELECT c.id_chat_file,
           CASE WHEN p.id_chat_file IS NOT NULL THEN NULL
                WHEN a.decided THEN a.id_ordem_servico
                ELSE coalesce(t.id_ordem_servico, a.id_ordem_servico) END AS id_ordem_servico,
           CASE WHEN p.id_chat_file IS NOT NULL THEN NULL
                WHEN a.decided THEN 'override' WHEN t.id_ordem_servico IS NOT NULL THEN 'direct_os_ref'
                WHEN a.id_ordem_servico IS NOT NULL THEN a.method END AS method
    FROM (SELECT DISTINCT id_chat_file FROM order_linking) c
    LEFT JOIN (SELECT * FROM confirmed UNION ALL SELECT * FROM fitting) t USING (id_chat_file)
    LEFT JOIN agreed a USING (id_chat_file)
    LEFT JOIN waiting p USING (id_chat_file)
)
UPDATE chat_files f
SET id_ordem_servico = w.id_ordem_servico, order_match_method = w.method, updated_at = now()
FROM wanted w
WHERE f.id = w.id_chat_file
  AND (f.id_ordem_servico, f.order_match_method) IS DISTINCT FROM (w.id_ordem_servico, w.method)
