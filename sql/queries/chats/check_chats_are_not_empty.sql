-- Readable files in which no message was found.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status <> 'vanished' GROUP BY month

-- name: failing
SELECT month, id AS chat, file_path AS file, size_bytes AS bytes FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status NOT IN ('vanished', 'failed')
  AND coalesce(message_count, 0) = 0
ORDER BY month, id
