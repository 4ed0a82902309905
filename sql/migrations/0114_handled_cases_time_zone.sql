-- migrate:up

-- v_open_cases compared local times in the time zone of whoever reads it. A dashboard that connects in UTC took a
-- customer who wrote two hours after somebody handled the case for handled. The zone is now stored with the case.
ALTER TABLE handled_cases ADD COLUMN time_zone text NOT NULL DEFAULT current_setting('TimeZone');
COMMENT ON COLUMN handled_cases.time_zone IS
    'Time zone of the connection that stored the case: that of until and of the local times of messages';

CREATE OR REPLACE VIEW open_cases AS
SELECT s.id_contato, s.open_since, s.open_reasons,
       coalesce('unanswered' = ANY (s.open_reasons), false) AS is_waiting, s.last_interaction_date AS last_at,
       h.id_contato IS NOT NULL AS is_handled, h.until AS handled_until, h.note AS handled_note,
       h.made_by AS handled_by, h.made_at AS handled_at
  FROM customer_chat_summaries s
  LEFT JOIN handled_cases h ON h.id_contato = s.id_contato AND h.until >= (now() AT TIME ZONE h.time_zone)::date
                           AND s.last_interaction_date <= h.made_at AT TIME ZONE h.time_zone
 WHERE s.open_since IS NOT NULL;
COMMENT ON COLUMN open_cases.is_handled IS
    'Whether a person took care of it: until the end of handled_until, or until a later message';
COMMENT ON COLUMN v_open_cases.is_handled IS
    'Whether a person took care of it: until the end of handled_until, or until a later message';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
