-- Sessions that name an order of their contact and are linked to none.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
WHERE f.month = ANY(%(months)s) AND s.order_numbers <> '{}' GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, s.number AS session, s.order_numbers::text AS named,
       s.order_match_status AS status
FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
WHERE f.month = ANY(%(months)s) AND s.id_ordem_servico IS NULL AND f.processing_status <> 'vanished'
  AND EXISTS (
      SELECT FROM unnest(s.order_numbers) n
      JOIN ordens_servico o ON ltrim(o.numero_ordem_servico::text, '0') = ltrim(n, '0')
      WHERE o.id_contato = f.id_contato)
ORDER BY f.month, f.id, s.number
