-- Lease the next due deliveries of a range, up to a number of rows and bytes (at least one row).
-- A row that still has a token lost its worker. That counts as a crash, unless the server has restarted since.
-- Only calls with `suspects` lease such rows, one at a time, so that a body that kills its worker does not affect
-- other deliveries.
-- A time later than any pause or lease was written while the clock of a server was wrong, so it counts as due.
WITH locked AS (
    SELECT id, octet_length(body) AS size
      FROM webhook_inbox
     WHERE status = 'pending'
       AND id BETWEEN %(first_id)s AND %(last_id)s
       AND (next_attempt_at <= now() OR next_attempt_at > now() + interval '2 hours')
       AND (lease_until IS NULL OR lease_until < now() OR lease_until > now() + interval '2 hours')
       AND (lease_token IS NOT NULL OR crashes > 0) = %(suspects)s
     ORDER BY id
     LIMIT %(rows)s
       FOR UPDATE SKIP LOCKED
), sized AS (
    SELECT id, sum(size) OVER (ORDER BY id) - size AS bytes_before FROM locked
)
UPDATE webhook_inbox AS i
   SET crashes = crashes + (lease_token IS NOT NULL AND leased_under = pg_postmaster_start_time())::integer,
       lease_token = %(token)s,
       lease_until = now() + make_interval(secs => %(seconds)s),
       leased_under = pg_postmaster_start_time()
  FROM sized
 WHERE i.id = sized.id AND (sized.bytes_before IS NULL OR sized.bytes_before < %(bytes)s)
RETURNING i.id, i.delivery_id, i.received_at, i.body, i.attempts, i.crashes
