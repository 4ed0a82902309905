-- Deliveries that have waited longer than the limit.

-- name: examined
SELECT count(*) AS examined FROM webhook_inbox WHERE status = 'pending'

-- name: failing
SELECT id AS inbox_id, received_at::text AS received_at, attempts, error
FROM webhook_inbox
WHERE status = 'pending' AND received_at < %(now)s::timestamptz - make_interval(secs => %(seconds)s)
ORDER BY id
