-- migrate:up

-- As before (0096), and whether the chat still has the link. Links that a verdict took away are few and are found from
-- the verdicts; the others are counted in an index of their own.
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
       l.is_linked OR j.verdict = 'right' AS is_in_force, link_weight(l.method, l.confidence) AS weight,
       link_draw(l.file_path, l.chat_number, l.id_contato, l.method, l.confidence) AS draw, l.is_linked
FROM links l
LEFT JOIN (
    SELECT DISTINCT ON (v.id_chat_file, v.id_contato) v.id_chat_file, v.id_contato, v.verdict, v.reviewer
    FROM review_verdicts v
    WHERE v.match_status = 'linked' AND v.withdrawn_at IS NULL
    ORDER BY v.id_chat_file, v.id_contato, v.id DESC
) j ON j.id_chat_file = l.id_chat_file AND j.id_contato = l.id_contato;

CREATE INDEX chat_files_rule_links_idx ON chat_files (month, match_method, match_confidence)
    WHERE match_status = 'linked' AND processing_status <> 'vanished';

-- A decision on a title leads to its chats. A title may be longer than a row of a B-tree.
CREATE INDEX chat_files_title_key_idx ON chat_files USING hash (title_key(title));

-- As in 0101, with the chats' ids instead of their months: an array of ids leads to the chats by their key, where a list
-- of months would read all of them.
CREATE FUNCTION review_queue_differences(of_source text, ids bigint[])
RETURNS TABLE (id bigint, session_number integer, in_queue text, computed text)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT coalesce(d.id, q.id), coalesce(d.session_number, q.session_number), q.status, d.status
      FROM (SELECT * FROM review_doubts r WHERE r.source = of_source AND (ids IS NULL OR r.id = ANY (ids))) d
      FULL JOIN (SELECT * FROM review_queue r WHERE r.source = of_source AND (ids IS NULL OR r.id = ANY (ids))) q
        ON d.id = q.id AND d.session_number = q.session_number
     WHERE (d.id, d.status, d.id_contato, d.messages, d.first_at, d.last_at) IS DISTINCT FROM
           (q.id, q.status, q.id_contato, q.messages, q.first_at, q.last_at)
        OR abs(d.value - q.value) > 1e-6;
END $$;
COMMENT ON FUNCTION review_queue_differences(text, bigint[]) IS
    'Rows in which review_queue and review_doubts differ, of these chats or live conversations (null: all)';

CREATE OR REPLACE FUNCTION repair_review_queue(of_source text, of_month text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    scope bigint[] := CASE WHEN of_month IS NOT NULL THEN ARRAY(SELECT f.id FROM chat_files f WHERE f.month = of_month) END;
    ids bigint[];
BEGIN
    SELECT coalesce(array_agg(DISTINCT d.id), '{}') INTO ids FROM review_queue_differences(of_source, scope) d;
    PERFORM refresh_review_queue(of_source, ids);
    RETURN cardinality(ids);
END $$;
DROP FUNCTION review_queue_differences(text, text[]);
DO $$
BEGIN
    REVOKE ALL ON FUNCTION repair_review_queue(text, text) FROM PUBLIC;
    EXECUTE format('ALTER FUNCTION repair_review_queue(text, text) SET search_path = %I, pg_temp', current_schema());
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
