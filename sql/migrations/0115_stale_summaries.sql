-- migrate:up

-- A decision on links counts at once, and summaries are computed in a later run. Until then the summaries of the
-- customers whose chats, live conversations or orders changed are of the links before. Each page that shows such a
-- summary, or an open case taken from it, says so. The run that computes the summary deletes the row.
-- This is a table of its own, so that a decision never waits for a run that writes summaries.
CREATE TABLE stale_summaries (
    id_contato   bigint PRIMARY KEY,
    stale_since  timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT link_to_adopted('stale_summaries', 'id_contato', 'contatos', 'CASCADE');
COMMENT ON TABLE stale_summaries IS
    'Customers whose links a person changed after their summary was computed; the next run of summaries deletes it';
COMMENT ON COLUMN stale_summaries.id_contato IS 'The customer (contatos.id), with or without a summary so far';
COMMENT ON COLUMN stale_summaries.stale_since IS 'When the latest decision changed the links';

CREATE OR REPLACE VIEW open_cases AS
SELECT s.id_contato, s.open_since, s.open_reasons,
       coalesce('unanswered' = ANY (s.open_reasons), false) AS is_waiting, s.last_interaction_date AS last_at,
       h.id_contato IS NOT NULL AS is_handled, h.until AS handled_until, h.note AS handled_note,
       h.made_by AS handled_by, h.made_at AS handled_at, d.stale_since
  FROM customer_chat_summaries s
  LEFT JOIN handled_cases h ON h.id_contato = s.id_contato AND h.until >= (now() AT TIME ZONE h.time_zone)::date
                           AND s.last_interaction_date <= h.made_at AT TIME ZONE h.time_zone
  LEFT JOIN stale_summaries d ON d.id_contato = s.id_contato
 WHERE s.open_since IS NOT NULL;
COMMENT ON COLUMN open_cases.stale_since IS
    'When a person changed the customer''s links after this was computed; null: it was computed after every decision';

CREATE OR REPLACE VIEW v_open_cases AS
SELECT o.id_contato, c.nome, o.open_since, o.open_reasons, o.is_waiting, o.last_at, o.is_handled, o.handled_until,
       o.handled_note, o.handled_by, o.handled_at, o.stale_since
  FROM open_cases o
  JOIN view_contacts() c ON c.id = o.id_contato;
COMMENT ON COLUMN v_open_cases.stale_since IS
    'When a person changed the customer''s links after this was computed; null: it was computed after every decision';

CREATE OR REPLACE VIEW v_customers AS
SELECT c.id AS id_contato, c.nome, s.first_interaction_date, s.last_interaction_date,
       s.communication_frequency, s.common_topics, s.sentiment_analysis, s.sentiment_score::double precision
       AS sentiment_score, s.message_count, s.customer_messages, s.staff_messages, s.conversation_count,
       s.last_speaker, s.first_response_median_business_s, s.reply_median_business_s, s.open_since, s.open_reasons,
       s.summary, s.computed_at, d.stale_since
  FROM view_contacts() c
  JOIN customer_chat_summaries s ON s.id_contato = c.id
  LEFT JOIN stale_summaries d ON d.id_contato = s.id_contato;
COMMENT ON COLUMN v_customers.stale_since IS
    'When a person changed the customer''s links after this was computed; null: it was computed after every decision';

-- Who reads summaries reads this, and who decides writes it, before anybody runs `grants` again.
DO $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT DISTINCT a.grantee::regrole::text AS role, k.rights
          FROM (VALUES ('customer_chat_summaries', 'SELECT', 'SELECT'), ('customer_chat_summaries', 'DELETE', 'DELETE'),
                       ('link_overrides', 'INSERT', 'INSERT, UPDATE')) AS k (name, privilege, rights)
          JOIN pg_class t ON t.oid = to_regclass(k.name)
          CROSS JOIN aclexplode(t.relacl) a
         WHERE a.privilege_type = k.privilege AND a.grantee NOT IN (0, t.relowner)
    LOOP
        EXECUTE format('GRANT %s ON stale_summaries TO %s', given.rights, given.role);
    END LOOP;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
