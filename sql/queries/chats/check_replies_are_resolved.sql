-- Replies whose original message was not found in the same chat.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) AND (m.reply_timestamp IS NOT NULL OR m.responding_to IS NOT NULL)
GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, m.line
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) AND m.reply_to_id IS NULL
  AND (m.reply_timestamp IS NOT NULL OR m.responding_to IS NOT NULL)
ORDER BY f.month, f.id, m.line
