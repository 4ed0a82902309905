-- migrate:up

-- The rule for "open" without the customers' names. v_open_cases joins every customer to it, which takes the longer the
-- more customers there are; the console and `whatsapp-pipeline open` show some twenty cases and look their names up.
CREATE VIEW open_cases AS
SELECT s.id_contato, s.open_since, s.open_reasons,
       coalesce('unanswered' = ANY (s.open_reasons), false) AS is_waiting, s.last_interaction_date AS last_at,
       h.id_contato IS NOT NULL AS is_handled, h.until AS handled_until, h.note AS handled_note,
       h.made_by AS handled_by, h.made_at AS handled_at
  FROM customer_chat_summaries s
  LEFT JOIN handled_cases h ON h.id_contato = s.id_contato AND h.until >= current_date
                           AND s.last_interaction_date <= h.made_at AT TIME ZONE current_setting('TimeZone')
 WHERE s.open_since IS NOT NULL;
COMMENT ON VIEW open_cases IS
    'One row per customer with something open, without the name: words that nobody answered, or an order under way';
COMMENT ON COLUMN open_cases.id_contato IS 'The customer (contatos.id)';
COMMENT ON COLUMN open_cases.open_since IS 'Since when something is open, local time';
COMMENT ON COLUMN open_cases.open_reasons IS 'unanswered, order';
COMMENT ON COLUMN open_cases.is_waiting IS 'Whether the customer said something that nobody answered';
COMMENT ON COLUMN open_cases.last_at IS 'Local time of the last message';
COMMENT ON COLUMN open_cases.is_handled IS
    'Whether a person took care of it: until handled_until in the connection''s time zone, or until a later message';
COMMENT ON COLUMN open_cases.handled_until IS 'Last day on which a handled case stays out of the list';
COMMENT ON COLUMN open_cases.handled_note IS '[pii] What was done, or what was agreed';
COMMENT ON COLUMN open_cases.handled_by IS 'User of the console who handled it';
COMMENT ON COLUMN open_cases.handled_at IS 'When it was handled';

CREATE OR REPLACE VIEW v_open_cases AS
SELECT o.id_contato, c.nome, o.open_since, o.open_reasons, o.is_waiting, o.last_at, o.is_handled, o.handled_until,
       o.handled_note, o.handled_by, o.handled_at
  FROM open_cases o
  JOIN view_contacts() c ON c.id = o.id_contato;

-- Who reads v_open_cases reads this one, before anybody runs `grants` again: the home page needs it at once.
DO $$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT DISTINCT a.grantee::regrole::text
          FROM pg_class t, aclexplode(t.relacl) a
         WHERE t.oid = 'v_open_cases'::regclass AND a.privilege_type = 'SELECT'
           AND a.grantee NOT IN (0, t.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON open_cases TO %s', reader);
    END LOOP;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
