-- Chats called linked without a contact, a method or a confidence.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND match_status <> 'group' AND processing_status <> 'vanished' GROUP BY month

-- name: failing
SELECT month, id AS chat, title, match_status AS status, match_method AS method
FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status <> 'vanished'
  AND match_status = 'linked'
  AND (id_contato IS NULL OR match_method IS NULL OR match_confidence IS NULL)
ORDER BY month, id
