-- Accounts that received messages and that are unknown or not active.

-- name: examined
SELECT count(*) AS examined FROM webhook_inbox

-- name: failing
SELECT account AS phone_number_id, count(*) AS deliveries, min(received_at)::text AS since
FROM webhook_inbox, unnest(waiting_for) AS account
WHERE status = 'parked' GROUP BY account ORDER BY account
