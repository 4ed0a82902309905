-- migrate:up

-- The same columns and numbers as before. Deliveries that wait or are dead are found in the two partial indexes that
-- each have a part of them; with one condition over all three states the whole inbox was read. Findings are counted by
-- file first, which needs no sort of all of them.
CREATE OR REPLACE VIEW webhook_health AS
SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
       coalesce(extract(epoch FROM now() - min(received_at) FILTER (WHERE status = 'pending')), 0)::bigint
           AS oldest_pending_seconds,
       count(*) FILTER (WHERE status = 'parked') AS parked, count(*) FILTER (WHERE status = 'dead') AS dead
  FROM (
        SELECT status, received_at FROM webhook_inbox WHERE status = 'pending'
        UNION ALL
        SELECT status, received_at FROM webhook_inbox WHERE status IN ('parked', 'dead')
       ) held;

CREATE OR REPLACE VIEW unread_counts AS
SELECT month, count(*) AS files, sum(findings)::bigint AS findings, sum(errors)::bigint AS errors
  FROM (
        SELECT month, file_path, count(*) AS findings, count(*) FILTER (WHERE severity = 'error') AS errors
          FROM exceptions
         WHERE stage IN ('chat_file_index', 'chat_messages') AND severity IN ('warning', 'error')
         GROUP BY month, file_path
       ) by_file
 GROUP BY month;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
