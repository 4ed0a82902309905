-- Group chats linked to one contact although nobody decided it.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND is_group GROUP BY month

-- name: failing
SELECT month, id AS chat, title, match_status AS status, match_method AS method FROM chat_files
WHERE month = ANY(%(months)s) AND is_group AND id_contato IS NOT NULL
  AND match_method IS DISTINCT FROM 'override' AND processing_status <> 'vanished'
ORDER BY month, id
