-- Rows of the stored review queue that differ from what is computed from the chats and their sessions.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status <> 'vanished' GROUP BY month

-- name: failing
WITH listed AS (
    SELECT id, month, title FROM chat_files WHERE month = ANY(%(months)s)
)
SELECT l.month, l.id AS chat, l.title, nullif(coalesce(d.session_number, q.session_number), 0) AS session,
       q.status AS in_queue, d.status AS computed
FROM (SELECT * FROM review_doubts WHERE source = 'chat' AND id IN (SELECT id FROM listed)) d
FULL JOIN (SELECT * FROM review_queue WHERE source = 'chat' AND id IN (SELECT id FROM listed)) q
  ON d.id = q.id AND d.session_number = q.session_number
JOIN listed l ON l.id = coalesce(d.id, q.id)
WHERE (d.id, d.status, d.id_contato, d.messages, d.first_at, d.last_at) IS DISTINCT FROM
      (q.id, q.status, q.id_contato, q.messages, q.first_at, q.last_at)
   OR abs(d.value - q.value) > 1e-6
ORDER BY l.month, l.id, session NULLS FIRST
