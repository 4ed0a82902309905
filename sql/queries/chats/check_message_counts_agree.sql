-- Chats whose rows in chat_messages differ from the messages counted in the file.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status = 'loaded' GROUP BY month

-- name: failing
SELECT f.month, f.id AS chat, f.title, f.message_count AS in_file, count(m.id) AS in_table
FROM chat_files f LEFT JOIN chat_messages m ON m.id_chat_file = f.id
WHERE f.month = ANY(%(months)s) AND f.processing_status = 'loaded'
GROUP BY f.id HAVING count(m.id) IS DISTINCT FROM f.message_count
ORDER BY f.month, f.id
