-- Files whose messages are all in an earlier file of the same chat.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status <> 'vanished' GROUP BY month

-- name: failing
SELECT month, id AS chat, title, duplicate_of FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status <> 'vanished' AND duplicate_of IS NOT NULL
ORDER BY month, id
