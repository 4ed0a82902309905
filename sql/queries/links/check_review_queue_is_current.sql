-- Rows of the stored review queue that differ from what is computed from the chats and their sessions.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status <> 'vanished' GROUP BY month

-- name: failing
SELECT f.month, d.id AS chat, f.title, nullif(d.session_number, 0) AS session, d.in_queue, d.computed
FROM review_queue_differences('chat', ARRAY(SELECT id FROM chat_files WHERE month = ANY(%(months)s))) d
JOIN chat_files f ON f.id = d.id
ORDER BY f.month, d.id, session NULLS FIRST
