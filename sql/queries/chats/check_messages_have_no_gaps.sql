-- Chats whose messages are not numbered from 1 to their count.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status = 'loaded' GROUP BY month

-- name: failing
SELECT f.month, f.id AS chat, f.title, count(*) AS messages, max(m.ordinal) AS last_ordinal
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) AND f.processing_status = 'loaded'
GROUP BY f.id HAVING max(m.ordinal) <> count(*) OR min(m.ordinal) <> 1 ORDER BY f.month, f.id
