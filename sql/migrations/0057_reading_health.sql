-- migrate:up

-- What the console's first page says of the pipeline to every level: counts alone, no path, no line and no delivery.
CREATE VIEW unread_counts AS
SELECT month, count(DISTINCT file_path) AS files, count(*) AS findings,
       count(*) FILTER (WHERE severity = 'error') AS errors
  FROM exceptions
 WHERE stage IN ('chat_file_index', 'chat_messages') AND severity IN ('warning', 'error')
 GROUP BY month;
COMMENT ON VIEW unread_counts IS 'Files and lines of the archive that could not be read, counted by month';
COMMENT ON COLUMN unread_counts.month IS 'Month of the files; null: it is not known';
COMMENT ON COLUMN unread_counts.files IS 'Files with findings';
COMMENT ON COLUMN unread_counts.findings IS 'Warnings and errors about files and lines';
COMMENT ON COLUMN unread_counts.errors IS 'Those of them that are errors';

CREATE VIEW webhook_health AS
SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
       coalesce(extract(epoch FROM now() - min(received_at) FILTER (WHERE status = 'pending')), 0)::bigint
           AS oldest_pending_seconds,
       count(*) FILTER (WHERE status = 'parked') AS parked, count(*) FILTER (WHERE status = 'dead') AS dead
  FROM webhook_inbox WHERE status IN ('pending', 'parked', 'dead');
COMMENT ON VIEW webhook_health IS 'How many webhook deliveries wait or are dead';
COMMENT ON COLUMN webhook_health.pending IS 'Deliveries that wait to be processed';
COMMENT ON COLUMN webhook_health.oldest_pending_seconds IS 'How long the oldest of them waits';
COMMENT ON COLUMN webhook_health.parked IS 'Deliveries that wait for their business number to be added';
COMMENT ON COLUMN webhook_health.dead IS 'Deliveries that failed too often';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
