-- Chats whose title names an order of their contact, while their sessions are linked to other orders only.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_files f
WHERE f.month = ANY(%(months)s) AND f.processing_status <> 'vanished' AND EXISTS (
    SELECT FROM ordens_servico o
    WHERE ltrim(o.numero_ordem_servico::text, '0') = ltrim(f.reference_os, '0') AND o.id_contato = f.id_contato)
GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, f.reference_os AS title_number, f.id_ordem_servico AS chat_order,
       array_agg(DISTINCT s.id_ordem_servico)::text AS session_orders
FROM chat_files f
JOIN chat_sessions s ON s.id_chat_file = f.id AND s.id_ordem_servico IS NOT NULL
WHERE f.month = ANY(%(months)s) AND f.processing_status <> 'vanished' AND EXISTS (
    SELECT FROM ordens_servico o
    WHERE ltrim(o.numero_ordem_servico::text, '0') = ltrim(f.reference_os, '0') AND o.id_contato = f.id_contato)
GROUP BY f.month, f.id, f.title, f.reference_os, f.id_ordem_servico
HAVING NOT bool_or(EXISTS (
    SELECT FROM ordens_servico o
    WHERE o.id = s.id_ordem_servico
      AND ltrim(o.numero_ordem_servico::text, '0') = ltrim(f.reference_os, '0')))
   AND bool_and(s.order_match_status <> 'manual')
ORDER BY f.month, f.id
