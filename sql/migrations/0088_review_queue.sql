-- migrate:up

-- Flags that name evidence for somebody else. A link that has one waits for a person, too.
CREATE FUNCTION evidence_disagrees(flags text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN flags && ARRAY['title_header_disagree', 'phone_name_disagree', 'order_contact_disagree', 'order_name_disagree',
                      'order_of_another_contact'];
COMMENT ON FUNCTION evidence_disagrees(text[]) IS
    'Whether a link''s flags say that its title, phones, names or order numbers point to different people';

-- What waits for a person, computed from the tables. Sessions of customers without any order are among them: the user's
-- own table of orders changes without the pipeline, so review_items looks there when it is read.
CREATE VIEW review_doubts AS
SELECT 'chat'::text AS source, f.id, 0 AS session_number, f.match_status AS status, f.id_contato,
       coalesce(f.message_count, 0)::bigint AS messages, f.first_message_at AS first_at, f.last_message_at AS last_at,
       review_value(coalesce(f.message_count, 0), CASE WHEN f.match_status = 'linked' THEN 1 - coalesce(f.match_confidence, 0)
           ELSE (SELECT coalesce(sum(m.confidence), 0) FROM match_candidates m WHERE m.id_chat_file = f.id) END, false) AS value
  FROM chat_files f
 WHERE (f.match_status IN ('ambiguous', 'proposed', 'unmatched', 'pending')
        OR f.match_status = 'linked' AND evidence_disagrees(f.match_flags))
   AND f.processing_status <> 'vanished' AND f.duplicate_of IS NULL
UNION ALL
SELECT 'chat', f.id, s.number, s.order_match_status, f.id_contato, s.message_count::bigint, s.started_at, s.ended_at,
       review_value(s.message_count, CASE WHEN s.order_match_status = 'linked' THEN 1 - coalesce(s.order_match_confidence, 0)
           ELSE (SELECT coalesce(sum(m.confidence), 0) FROM order_candidates m WHERE m.id_chat_session = s.id) END, true)
  FROM chat_files f
  JOIN chat_sessions s ON s.id_chat_file = f.id
 WHERE (s.order_match_status IN ('proposed', 'unmatched', 'pending')
        OR s.order_match_status = 'linked' AND evidence_disagrees(s.order_flags))
   AND f.processing_status <> 'vanished' AND f.duplicate_of IS NULL
   AND f.id_contato IS NOT NULL AND f.match_status IN ('linked', 'manual')
UNION ALL
SELECT 'webhook', c.id, 0, c.match_status, c.id_contato, said.messages, said.first_at, said.last_at,
       review_value(said.messages, CASE WHEN c.match_status = 'linked' THEN 1 - coalesce(c.match_confidence, 0)
           ELSE (SELECT coalesce(sum(m.confidence), 0) FROM conversation_candidates m WHERE m.id_conversation = c.id) END, false)
  FROM conversations c
 CROSS JOIN LATERAL (
       SELECT count(*) AS messages, min(m.local_time) AS first_at, max(m.local_time) AS last_at
         FROM conversation_messages m WHERE m.conversation_id = c.id) said
 WHERE NOT c.is_group
   AND (c.match_status IN ('pending', 'unmatched', 'proposed', 'ambiguous')
        OR c.match_status = 'linked' AND evidence_disagrees(c.match_flags))
UNION ALL
SELECT 'webhook', c.id, s.number, s.order_match_status, c.id_contato, s.message_count::bigint, s.started_at, s.ended_at,
       review_value(s.message_count, CASE WHEN s.order_match_status = 'linked' THEN 1 - coalesce(s.order_match_confidence, 0)
           ELSE (SELECT coalesce(sum(m.confidence), 0) FROM order_candidates m WHERE m.id_chat_session = s.id) END, true)
  FROM conversations c
  JOIN chat_sessions s ON s.id_conversation = c.id
 WHERE (s.order_match_status IN ('proposed', 'unmatched', 'pending')
        OR s.order_match_status = 'linked' AND evidence_disagrees(s.order_flags))
   AND c.id_contato IS NOT NULL AND c.match_status IN ('linked', 'manual');
COMMENT ON VIEW review_doubts IS
    'What waits for a person, computed from the tables; review_queue stores the same rows, so that a page does not compute them';

-- The same rows, stored. Triggers below keep them equal.
CREATE TABLE review_queue (
    source           text NOT NULL CHECK (source IN ('chat', 'webhook')),
    id               bigint NOT NULL,
    session_number   integer NOT NULL CHECK (session_number >= 0),
    status           text NOT NULL,
    id_contato       bigint,
    messages         bigint NOT NULL,
    first_at         timestamp,
    last_at          timestamp,
    value            double precision NOT NULL,
    id_chat_file     bigint GENERATED ALWAYS AS (CASE WHEN source = 'chat' THEN id END) STORED
                     REFERENCES chat_files ON DELETE CASCADE,
    id_conversation  bigint GENERATED ALWAYS AS (CASE WHEN source = 'webhook' THEN id END) STORED
                     REFERENCES conversations ON DELETE CASCADE,
    PRIMARY KEY (source, id, session_number)
) WITH (fillfactor = 80);
CREATE INDEX review_queue_chat_idx ON review_queue (id_chat_file) WHERE id_chat_file IS NOT NULL;
CREATE INDEX review_queue_conversation_idx ON review_queue (id_conversation) WHERE id_conversation IS NOT NULL;
-- All in one direction, so that the next page is one range of the index.
CREATE INDEX review_queue_value_idx ON review_queue
    ((-value), (-coalesce(extract(epoch FROM last_at)::double precision, '-Infinity')), source, id, session_number);
COMMENT ON TABLE review_queue IS 'What waits for a person''s decision, by its value; kept equal to review_doubts by triggers';
COMMENT ON COLUMN review_queue.source IS 'chat: of the archive; webhook: a live conversation';
COMMENT ON COLUMN review_queue.id IS 'The chat''s or the conversation''s id, by source';
COMMENT ON COLUMN review_queue.session_number IS 'The session whose order is in doubt; 0: whose chat it is';
COMMENT ON COLUMN review_queue.status IS 'Status of the link; linked: its evidence disagrees';
COMMENT ON COLUMN review_queue.id_contato IS 'The customer of the chat or conversation; null: none is sure';
COMMENT ON COLUMN review_queue.messages IS 'Messages that the decision places';
COMMENT ON COLUMN review_queue.first_at IS 'First of these messages, local time';
COMMENT ON COLUMN review_queue.last_at IS 'Last of these messages, local time';
COMMENT ON COLUMN review_queue.value IS 'By review_value: the highest is decided first';
COMMENT ON COLUMN review_queue.id_chat_file IS 'The chat; null: a live conversation';
COMMENT ON COLUMN review_queue.id_conversation IS 'The live conversation; null: a chat';
COMMENT ON FUNCTION review_value(bigint, double precision, boolean) IS
    'Messages (plus 1) that a decision places, times the chance that it places them: the sum of the candidates'' '
    'confidence, or for a link 1 minus its confidence (mass), at least 0.05 and at most 1; a session''s order counts half '
    'of a chat''s customer';

-- Bring the rows of some chats or live conversations up to date. Whoever changes a link may not write here, so this runs
-- with the owner's rights. The lock makes a second transaction compute after the first has committed.
CREATE FUNCTION refresh_review_queue(of_source text, ids bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET plan_cache_mode = force_custom_plan SET enable_nestloop = on AS $$
BEGIN
    IF cardinality(ids) = 0 THEN
        RETURN;
    END IF;
    IF of_source = 'chat' THEN
        PERFORM FROM chat_files WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    ELSE
        PERFORM FROM conversations WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    END IF;
    WITH doubts AS MATERIALIZED (
        SELECT * FROM review_doubts d WHERE d.source = of_source AND d.id = ANY (ids)
    ), settled AS (
        DELETE FROM review_queue q
         WHERE q.source = of_source AND q.id = ANY (ids)
           AND (q.id, q.session_number) NOT IN (SELECT d.id, d.session_number FROM doubts d)  -- hashed; none is null
    )
    INSERT INTO review_queue AS q (source, id, session_number, status, id_contato, messages, first_at, last_at, value)
    SELECT source, id, session_number, status, id_contato, messages, first_at, last_at, value FROM doubts
    ON CONFLICT (source, id, session_number) DO UPDATE
       SET status = EXCLUDED.status, id_contato = EXCLUDED.id_contato, messages = EXCLUDED.messages,
           first_at = EXCLUDED.first_at, last_at = EXCLUDED.last_at, value = EXCLUDED.value
     WHERE (q.status, q.id_contato, q.messages, q.first_at, q.last_at, q.value) IS DISTINCT FROM
           (EXCLUDED.status, EXCLUDED.id_contato, EXCLUDED.messages, EXCLUDED.first_at, EXCLUDED.last_at, EXCLUDED.value);
END $$;
COMMENT ON FUNCTION refresh_review_queue(text, bigint[]) IS
    'Brings the rows of review_queue about these chats or conversations to what review_doubts says';

-- Rows before and after a statement are joined by a hash: a stored plan must not loop over thousands of rows.
CREATE FUNCTION review_queue_of_chats() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET enable_nestloop = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM refresh_review_queue('chat', ARRAY(SELECT id FROM after));
        RETURN NULL;
    END IF;
    PERFORM refresh_review_queue('chat', ARRAY(
        SELECT n.id FROM before o JOIN after n USING (id)
         WHERE (o.match_status, o.match_confidence, o.match_flags, o.id_contato, o.processing_status = 'vanished',
                o.duplicate_of IS NULL, o.message_count, o.first_message_at, o.last_message_at) IS DISTINCT FROM
               (n.match_status, n.match_confidence, n.match_flags, n.id_contato, n.processing_status = 'vanished',
                n.duplicate_of IS NULL, n.message_count, n.first_message_at, n.last_message_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER chat_files_review_added AFTER INSERT ON chat_files
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_chats();
CREATE TRIGGER chat_files_review_changed AFTER UPDATE ON chat_files
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_chats();

CREATE FUNCTION review_queue_of_conversations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET enable_nestloop = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM refresh_review_queue('webhook', ARRAY(SELECT id FROM after));
        RETURN NULL;
    END IF;
    PERFORM refresh_review_queue('webhook', ARRAY(
        SELECT n.id FROM before o JOIN after n USING (id)
         WHERE (o.match_status, o.match_confidence, o.match_flags, o.id_contato, o.is_group) IS DISTINCT FROM
               (n.match_status, n.match_confidence, n.match_flags, n.id_contato, n.is_group)));
    RETURN NULL;
END $$;
CREATE TRIGGER conversations_review_added AFTER INSERT ON conversations
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_conversations();
CREATE TRIGGER conversations_review_changed AFTER UPDATE ON conversations
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_conversations();

CREATE FUNCTION review_queue_of_sessions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET enable_nestloop = off AS $$
DECLARE
    chats bigint[];
    live bigint[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT coalesce(array_agg(DISTINCT n.id_chat_file) FILTER (WHERE n.id_chat_file IS NOT NULL), '{}'),
               coalesce(array_agg(DISTINCT n.id_conversation) FILTER (WHERE n.id_conversation IS NOT NULL), '{}')
          INTO chats, live
          FROM before o JOIN after n USING (id)
         WHERE (o.order_match_status, o.order_match_confidence, o.order_flags, o.number, o.message_count, o.started_at, o.ended_at)
               IS DISTINCT FROM
               (n.order_match_status, n.order_match_confidence, n.order_flags, n.number, n.message_count, n.started_at, n.ended_at);
    ELSE
        SELECT coalesce(array_agg(DISTINCT id_chat_file) FILTER (WHERE id_chat_file IS NOT NULL), '{}'),
               coalesce(array_agg(DISTINCT id_conversation) FILTER (WHERE id_conversation IS NOT NULL), '{}')
          INTO chats, live FROM changed;
    END IF;
    PERFORM refresh_review_queue('chat', chats);
    PERFORM refresh_review_queue('webhook', live);
    RETURN NULL;
END $$;
CREATE TRIGGER chat_sessions_review_added AFTER INSERT ON chat_sessions
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_sessions();
CREATE TRIGGER chat_sessions_review_deleted AFTER DELETE ON chat_sessions
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_sessions();
CREATE TRIGGER chat_sessions_review_changed AFTER UPDATE ON chat_sessions
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_sessions();

-- Candidates count only where the link is in doubt, which is a row of the queue already.
CREATE FUNCTION review_queue_of_candidates() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_TABLE_NAME = 'match_candidates' THEN
        PERFORM refresh_review_queue('chat', ARRAY(
            SELECT DISTINCT q.id FROM changed c
              JOIN review_queue q ON q.source = 'chat' AND q.id = c.id_chat_file AND q.session_number = 0));
    ELSIF TG_TABLE_NAME = 'conversation_candidates' THEN
        PERFORM refresh_review_queue('webhook', ARRAY(
            SELECT DISTINCT q.id FROM changed c
              JOIN review_queue q ON q.source = 'webhook' AND q.id = c.id_conversation AND q.session_number = 0));
    ELSE
        PERFORM refresh_review_queue('chat', ARRAY(
            SELECT DISTINCT q.id FROM changed c JOIN chat_sessions s ON s.id = c.id_chat_session
              JOIN review_queue q ON q.source = 'chat' AND q.id = s.id_chat_file AND q.session_number = s.number));
        PERFORM refresh_review_queue('webhook', ARRAY(
            SELECT DISTINCT q.id FROM changed c JOIN chat_sessions s ON s.id = c.id_chat_session
              JOIN review_queue q ON q.source = 'webhook' AND q.id = s.id_conversation AND q.session_number = s.number));
    END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE
    candidates text;
BEGIN
    FOREACH candidates IN ARRAY ARRAY['match_candidates', 'conversation_candidates', 'order_candidates'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_review_added AFTER INSERT ON %1$s REFERENCING NEW TABLE AS changed'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_candidates()', candidates);
        EXECUTE format('CREATE TRIGGER %1$s_review_changed AFTER UPDATE ON %1$s REFERENCING NEW TABLE AS changed'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_candidates()', candidates);
        EXECUTE format('CREATE TRIGGER %1$s_review_deleted AFTER DELETE ON %1$s REFERENCING OLD TABLE AS changed'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_candidates()', candidates);
    END LOOP;
END $$;

-- A live conversation's messages are counted; so are those that move to another conversation.
CREATE FUNCTION review_queue_of_messages() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM refresh_review_queue('webhook', ARRAY(
        SELECT DISTINCT q.id FROM changed c
          JOIN review_queue q ON q.source = 'webhook' AND q.id = c.conversation_id AND q.session_number = 0));
    RETURN NULL;
END $$;
CREATE FUNCTION review_queue_of_moved_messages() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET enable_nestloop = off AS $$
BEGIN
    PERFORM refresh_review_queue('webhook', ARRAY(
        SELECT DISTINCT q.id
          FROM (SELECT unnest(ARRAY[o.conversation_id, n.conversation_id]) AS id FROM before o JOIN after n USING (id)
                 WHERE (o.conversation_id, o.local_time) IS DISTINCT FROM (n.conversation_id, n.local_time)) c
          JOIN review_queue q ON q.source = 'webhook' AND q.id = c.id AND q.session_number = 0));
    RETURN NULL;
END $$;
CREATE TRIGGER conversation_messages_review_added AFTER INSERT ON conversation_messages
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_messages();
CREATE TRIGGER conversation_messages_review_deleted AFTER DELETE ON conversation_messages
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_messages();
CREATE TRIGGER conversation_messages_review_changed AFTER UPDATE ON conversation_messages
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION review_queue_of_moved_messages();

-- Functions with the owner's rights look for tables where the pipeline has them, and nowhere else.
DO $$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN SELECT oid::regprocedure FROM pg_proc
                WHERE pronamespace = current_schema()::regnamespace
                  AND (proname LIKE 'review\_queue\_of\_%' OR proname = 'refresh_review_queue')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one);
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', one, current_schema());
    END LOOP;
END $$;

INSERT INTO review_queue (source, id, session_number, status, id_contato, messages, first_at, last_at, value)
SELECT source, id, session_number, status, id_contato, messages, first_at, last_at, value FROM review_doubts;

-- What the queue lists: the same columns as before, read from the stored rows. `session` is 0 for whose chat it is.
CREATE OR REPLACE VIEW review_items AS
SELECT q.source, q.id, nullif(q.session_number, 0) AS session_number, q.status, q.id_contato, q.messages, q.first_at,
       q.last_at, q.value, q.session_number AS session
  FROM review_queue q
 WHERE q.session_number = 0
       -- OFFSET: one look into the index for each row, instead of all orders for a page of 20 rows.
    OR EXISTS (SELECT FROM ordens_servico o WHERE o.id_contato = q.id_contato OFFSET 0);
COMMENT ON VIEW review_items IS
    'Chats and live conversations without a sure customer, sessions without a sure order, and links whose evidence disagrees, '
    'each with the value of deciding it';
COMMENT ON COLUMN review_items.session_number IS 'The session whose order is in doubt; null: whose chat it is';
COMMENT ON COLUMN review_items.value IS 'By review_value: the highest is decided first';
COMMENT ON COLUMN review_items.session IS 'The session whose order is in doubt; 0: whose chat it is';
DROP INDEX chat_files_in_doubt_idx, chat_sessions_in_doubt_idx, conversations_in_doubt_idx;

-- The place of a link in the order of the draws, with an index: the next link to judge is found without computing all.
CREATE FUNCTION link_draw(file_path text, chat_number integer, id_contato bigint, confidence double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN -ln((('x' || left(md5(file_path || '#' || chat_number::text || '>' || id_contato::text), 12))::bit(48)::bigint
               ::double precision + 0.5) / 281474976710656::double precision)
       / CASE WHEN confidence >= 0.99 THEN 1.0::double precision ELSE 2.0 END;
COMMENT ON FUNCTION link_draw(text, integer, bigint, double precision) IS
    'Where a link of the rules stands in the order in which links are drawn for review';
CREATE INDEX chat_files_draw_idx ON chat_files (link_draw(file_path, chat_number, id_contato, match_confidence))
    WHERE match_status = 'linked' AND processing_status <> 'vanished';

-- As before (0024), with the place from the function, so that there is one formula.
CREATE OR REPLACE VIEW rule_links AS
WITH links AS (
    SELECT f.id AS id_chat_file, f.month, f.file_path, f.chat_number, f.id_contato, f.match_method AS method,
           f.match_confidence AS confidence, true AS is_linked
    FROM chat_files f
    WHERE f.match_status = 'linked' AND f.processing_status <> 'vanished'
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (f.id) f.id, f.month, f.file_path, f.chat_number, v.id_contato, v.match_method,
               v.match_confidence, false
        FROM review_verdicts v JOIN chat_files f ON f.id = v.id_chat_file
        WHERE v.withdrawn_at IS NULL AND v.id_override IS NOT NULL AND v.match_status = 'linked'
          AND f.match_status <> 'linked' AND f.processing_status <> 'vanished'
        ORDER BY f.id, v.id DESC) settled
)
SELECT l.id_chat_file, l.month, l.id_contato, l.method, l.confidence, j.verdict, j.reviewer,
       l.is_linked OR j.verdict = 'right' AS is_in_force,
       CASE WHEN l.confidence >= 0.99 THEN 1.0::double precision ELSE 2.0 END AS weight,
       link_draw(l.file_path, l.chat_number, l.id_contato, l.confidence) AS draw
FROM links l
LEFT JOIN (
    SELECT DISTINCT ON (v.id_chat_file, v.id_contato) v.id_chat_file, v.id_contato, v.verdict, v.reviewer
    FROM review_verdicts v
    WHERE v.match_status = 'linked' AND v.withdrawn_at IS NULL
    ORDER BY v.id_chat_file, v.id_contato, v.id DESC
) j ON j.id_chat_file = l.id_chat_file AND j.id_contato = l.id_contato;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
