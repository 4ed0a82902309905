-- Text messages without text.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, m.line
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) AND m.type = 'text' AND btrim(coalesce(m.message_text, '')) = ''
  AND m.attachment_name IS NULL
ORDER BY f.month, f.id, m.line
