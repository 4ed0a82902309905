-- Rows of the stored review queue that differ from what is computed from live conversations and their sessions.

-- name: examined
SELECT count(*) AS examined FROM conversations WHERE NOT is_group

-- name: failing
SELECT coalesce(d.id, q.id) AS conversation, nullif(coalesce(d.session_number, q.session_number), 0) AS session,
       q.status AS in_queue, d.status AS computed
FROM (SELECT * FROM review_doubts WHERE source = 'webhook') d
FULL JOIN (SELECT * FROM review_queue WHERE source = 'webhook') q
  ON d.id = q.id AND d.session_number = q.session_number
WHERE (d.id, d.status, d.id_contato, d.messages, d.first_at, d.last_at) IS DISTINCT FROM
      (q.id, q.status, q.id_contato, q.messages, q.first_at, q.last_at)
   OR abs(d.value - q.value) > 1e-6
ORDER BY 1, 2 NULLS FIRST
