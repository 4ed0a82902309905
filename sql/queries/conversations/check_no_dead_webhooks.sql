-- Deliveries that failed at every attempt (dead letters).

-- name: examined
SELECT count(*) AS examined FROM webhook_inbox

-- name: failing
SELECT id AS inbox_id, received_at::text AS received_at, attempts, error
FROM webhook_inbox WHERE status = 'dead' ORDER BY id DESC
