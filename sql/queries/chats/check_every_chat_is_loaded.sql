-- Chats whose messages are not in the table.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files WHERE month = ANY(%(months)s) GROUP BY month

-- name: failing
SELECT month, id AS chat, file_path AS file, processing_status AS status
FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status NOT IN ('loaded', 'vanished')
ORDER BY month, id
