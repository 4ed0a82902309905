-- migrate:up

-- How the stored queue differs from what the tables say: the repair and both checks ask this one function.
CREATE FUNCTION review_queue_differences(of_source text, months text[])
RETURNS TABLE (id bigint, session_number integer, in_queue text, computed text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(d.id, q.id), coalesce(d.session_number, q.session_number), q.status, d.status
      FROM (SELECT * FROM review_doubts r
             WHERE r.source = of_source
               AND (months IS NULL OR r.id IN (SELECT f.id FROM chat_files f WHERE f.month = ANY (months)))) d
      FULL JOIN (SELECT * FROM review_queue r
                  WHERE r.source = of_source
                    AND (months IS NULL OR r.id IN (SELECT f.id FROM chat_files f WHERE f.month = ANY (months)))) q
        ON d.id = q.id AND d.session_number = q.session_number
     WHERE (d.id, d.status, d.id_contato, d.messages, d.first_at, d.last_at) IS DISTINCT FROM
           (q.id, q.status, q.id_contato, q.messages, q.first_at, q.last_at)
        OR abs(d.value - q.value) > 1e-6;
END;
COMMENT ON FUNCTION review_queue_differences(text, text[]) IS
    'Rows in which review_queue and review_doubts differ: of chats of these months (null: all), or of live conversations';

CREATE OR REPLACE FUNCTION repair_review_queue(of_source text, of_month text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
    ids bigint[];
BEGIN
    SELECT coalesce(array_agg(DISTINCT d.id), '{}') INTO ids
      FROM review_queue_differences(of_source, CASE WHEN of_month IS NOT NULL THEN ARRAY[of_month] END) d;
    PERFORM refresh_review_queue(of_source, ids);
    RETURN cardinality(ids);
END $$;

-- A function that is replaced loses its settings: with the owner's rights it finds the pipeline's tables only (0088).
DO $$
BEGIN
    REVOKE ALL ON FUNCTION repair_review_queue(text, text) FROM PUBLIC;
    EXECUTE format('ALTER FUNCTION repair_review_queue(text, text) SET search_path = %I, pg_temp', current_schema());
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
