-- migrate:up

-- The review queue costs less in bulk writes, and misses no candidate that is written while its chat enters the queue.

-- As before (0088), without pending sessions: linking the month's orders decides them, and a person only what that leaves.
CREATE OR REPLACE VIEW review_doubts AS
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
 WHERE (s.order_match_status IN ('proposed', 'unmatched')
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
 WHERE (s.order_match_status IN ('proposed', 'unmatched')
        OR s.order_match_status = 'linked' AND evidence_disagrees(s.order_flags))
   AND c.id_contato IS NOT NULL AND c.match_status IN ('linked', 'manual');

-- A step that writes a whole month sets this for its transaction, and refreshes its chats once, at its end. Otherwise each
-- of its statements would compute the same rows again. A transaction that ends takes the setting with it.
CREATE FUNCTION review_queue_is_deferred() RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce(current_setting('whatsapp_pipeline.review_queue', true), '') = 'deferred';
COMMENT ON FUNCTION review_queue_is_deferred() IS
    'Whether this transaction refreshes the review queue itself, at its end';

-- The planner expects thousands of candidates a chat and would compile the statement first, which takes a second.
ALTER FUNCTION refresh_review_queue(text, bigint[]) SET jit = off;

-- Bring the rows of chats or live conversations up to date that differ from what the tables say; return how many differed.
-- `of_month`: only chats of this month; null: of all months.
CREATE FUNCTION repair_review_queue(of_source text, of_month text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
    scope bigint[] := ARRAY(SELECT f.id FROM chat_files f WHERE f.month = of_month);
    ids bigint[];
BEGIN
    SELECT coalesce(array_agg(DISTINCT coalesce(d.id, q.id)), '{}') INTO ids
      FROM (SELECT * FROM review_doubts WHERE source = of_source AND (of_month IS NULL OR id = ANY (scope))) d
      FULL JOIN (SELECT * FROM review_queue WHERE source = of_source AND (of_month IS NULL OR id = ANY (scope))) q
        ON d.id = q.id AND d.session_number = q.session_number
     WHERE (d.id, d.status, d.id_contato, d.messages, d.first_at, d.last_at) IS DISTINCT FROM
           (q.id, q.status, q.id_contato, q.messages, q.first_at, q.last_at)
        OR abs(d.value - q.value) > 1e-6;
    PERFORM refresh_review_queue(of_source, ids);
    RETURN cardinality(ids);
END $$;
COMMENT ON FUNCTION repair_review_queue(text, text) IS
    'Brings the rows of review_queue that differ from review_doubts up to date; returns of how many chats or conversations';

CREATE OR REPLACE FUNCTION review_queue_of_chats() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET enable_nestloop = off AS $$
BEGIN
    IF review_queue_is_deferred() THEN
        RETURN NULL;
    END IF;
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

CREATE OR REPLACE FUNCTION review_queue_of_sessions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET enable_nestloop = off AS $$
DECLARE
    chats bigint[];
    live bigint[];
BEGIN
    IF review_queue_is_deferred() THEN
        RETURN NULL;
    END IF;
    -- Sessions that are pending and were pending are not in the queue.
    IF TG_OP = 'UPDATE' THEN
        SELECT coalesce(array_agg(DISTINCT n.id_chat_file) FILTER (WHERE n.id_chat_file IS NOT NULL), '{}'),
               coalesce(array_agg(DISTINCT n.id_conversation) FILTER (WHERE n.id_conversation IS NOT NULL), '{}')
          INTO chats, live
          FROM before o JOIN after n USING (id)
         WHERE (o.order_match_status, o.order_match_confidence, o.order_flags, o.number, o.message_count, o.started_at, o.ended_at)
               IS DISTINCT FROM
               (n.order_match_status, n.order_match_confidence, n.order_flags, n.number, n.message_count, n.started_at, n.ended_at)
           AND (o.order_match_status <> 'pending' OR n.order_match_status <> 'pending');
    ELSE
        SELECT coalesce(array_agg(DISTINCT id_chat_file) FILTER (WHERE id_chat_file IS NOT NULL), '{}'),
               coalesce(array_agg(DISTINCT id_conversation) FILTER (WHERE id_conversation IS NOT NULL), '{}')
          INTO chats, live FROM changed WHERE order_match_status <> 'pending';
    END IF;
    PERFORM refresh_review_queue('chat', chats);
    PERFORM refresh_review_queue('webhook', live);
    RETURN NULL;
END $$;

-- Candidates count only where the link is in doubt, which is a row of the queue already. Another transaction may be adding
-- that row now: wait for it first, then look.
CREATE OR REPLACE FUNCTION review_queue_of_candidates() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    chats bigint[] := '{}';
    live bigint[] := '{}';
BEGIN
    IF review_queue_is_deferred() THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'match_candidates' THEN
        chats := ARRAY(SELECT DISTINCT c.id_chat_file FROM changed c);
    ELSIF TG_TABLE_NAME = 'conversation_candidates' THEN
        live := ARRAY(SELECT DISTINCT c.id_conversation FROM changed c);
    ELSE
        SELECT coalesce(array_agg(DISTINCT s.id_chat_file) FILTER (WHERE s.id_chat_file IS NOT NULL), '{}'),
               coalesce(array_agg(DISTINCT s.id_conversation) FILTER (WHERE s.id_conversation IS NOT NULL), '{}')
          INTO chats, live FROM changed c JOIN chat_sessions s ON s.id = c.id_chat_session;
    END IF;
    PERFORM FROM chat_files WHERE id = ANY (chats) ORDER BY id FOR NO KEY UPDATE;
    PERFORM FROM conversations WHERE id = ANY (live) ORDER BY id FOR NO KEY UPDATE;
    PERFORM refresh_review_queue('chat', ARRAY(
        SELECT DISTINCT q.id FROM review_queue q WHERE q.source = 'chat' AND q.id = ANY (chats)));
    PERFORM refresh_review_queue('webhook', ARRAY(
        SELECT DISTINCT q.id FROM review_queue q WHERE q.source = 'webhook' AND q.id = ANY (live)));
    RETURN NULL;
END $$;

-- The same for a live conversation's messages: first wait for whoever changes the conversation, then look.
CREATE OR REPLACE FUNCTION review_queue_of_messages() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    live bigint[] := ARRAY(SELECT DISTINCT c.conversation_id FROM changed c);
BEGIN
    PERFORM FROM conversations WHERE id = ANY (live) ORDER BY id FOR NO KEY UPDATE;
    PERFORM refresh_review_queue('webhook', ARRAY(
        SELECT q.id FROM review_queue q WHERE q.source = 'webhook' AND q.id = ANY (live) AND q.session_number = 0));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION review_queue_of_moved_messages() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET enable_nestloop = off AS $$
DECLARE
    live bigint[] := ARRAY(
        SELECT DISTINCT unnest(ARRAY[o.conversation_id, n.conversation_id]) FROM before o JOIN after n USING (id)
         WHERE (o.conversation_id, o.local_time) IS DISTINCT FROM (n.conversation_id, n.local_time));
BEGIN
    PERFORM FROM conversations WHERE id = ANY (live) ORDER BY id FOR NO KEY UPDATE;
    PERFORM refresh_review_queue('webhook', ARRAY(
        SELECT q.id FROM review_queue q WHERE q.source = 'webhook' AND q.id = ANY (live) AND q.session_number = 0));
    RETURN NULL;
END $$;

-- A function that is replaced loses its settings. As in 0088: with the owner's rights it finds the pipeline's tables only.
DO $$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN SELECT oid::regprocedure FROM pg_proc
                WHERE pronamespace = current_schema()::regnamespace
                  AND (proname LIKE 'review\_queue\_of\_%' OR proname IN ('refresh_review_queue', 'repair_review_queue'))
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one);
        EXECUTE format('ALTER FUNCTION %s RESET search_path', one);
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', one, current_schema());
    END LOOP;
END $$;

SELECT repair_review_queue('chat', NULL), repair_review_queue('webhook', NULL);

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
