-- Sessions called linked without an order, a method or a confidence.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
WHERE f.month = ANY(%(months)s) GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, s.number AS session, s.order_match_status AS status
FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
WHERE f.month = ANY(%(months)s) AND s.order_match_status = 'linked'
  AND (s.id_ordem_servico IS NULL OR s.order_match_method IS NULL OR s.order_match_confidence IS NULL)
ORDER BY f.month, f.id, s.number
