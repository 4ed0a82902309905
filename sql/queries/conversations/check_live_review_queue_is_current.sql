-- Rows of the stored review queue that differ from what is computed from live conversations and their sessions.

-- name: examined
SELECT count(*) AS examined FROM conversations WHERE NOT is_group

-- name: failing
SELECT d.id AS conversation, nullif(d.session_number, 0) AS session, d.in_queue, d.computed
FROM review_queue_differences('webhook', NULL) d
ORDER BY 1, 2 NULLS FIRST
