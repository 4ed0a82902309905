-- Questions to the assistant that have waited for more than ten minutes, or that ended without a reply within the last
-- seven days.

-- name: examined
SELECT count(*) AS examined FROM assistant_replies

-- name: failing
SELECT r.trigger_id AS message_id, r.state, m.sent_at::text AS sent_at, r.attempts, r.reason
FROM assistant_replies r JOIN conversation_messages m ON m.id = r.trigger_id
WHERE r.state = 'pending' AND r.created_at < %(now)s - interval '10 minutes'
   OR r.state IN ('failed', 'expired') AND r.updated_at > %(now)s - interval '7 days'
ORDER BY r.trigger_id DESC
