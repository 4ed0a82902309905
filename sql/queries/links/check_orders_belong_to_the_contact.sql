-- Sessions linked to an order of another contact than the chat's.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
WHERE f.month = ANY(%(months)s) AND s.id_ordem_servico IS NOT NULL GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, s.number AS session, s.id_ordem_servico,
       o.id_contato AS order_contact, f.id_contato AS chat_contact, s.order_match_method AS method
FROM chat_sessions s
JOIN chat_files f ON f.id = s.id_chat_file
JOIN ordens_servico o ON o.id = s.id_ordem_servico
WHERE f.month = ANY(%(months)s) AND f.id_contato IS NOT NULL AND o.id_contato IS NOT NULL
  AND o.id_contato <> f.id_contato AND s.order_match_status <> 'manual'
ORDER BY f.month, f.id, s.number
