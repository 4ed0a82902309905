-- Files that were indexed and are no longer in the archive.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files WHERE month = ANY(%(months)s) GROUP BY month

-- name: failing
SELECT month, id AS chat, file_path AS file, message_count AS messages FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status = 'vanished' ORDER BY month, id
