-- migrate:up

-- Dead letters as people at the console see them: why each failed, and nothing of what was in it.
CREATE VIEW dead_deliveries AS
SELECT id, received_at, attempts, coalesce(error, '') AS error, body IS NOT NULL AS can_be_replayed
  FROM webhook_inbox WHERE status = 'dead';
COMMENT ON VIEW dead_deliveries IS 'Webhook deliveries that failed too often and are not tried again by themselves';
COMMENT ON COLUMN dead_deliveries.error IS 'Why it failed last, without its content';
COMMENT ON COLUMN dead_deliveries.can_be_replayed IS 'Whether its body is still stored; a body is deleted after some months';

-- Who reviews puts dead letters back in line, and reads none of them. The session proves who does it, so that nobody is on
-- record for what another person did.
CREATE FUNCTION replay_dead_deliveries(session bytea, wanted bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    person text;
    put_back bigint[];
BEGIN
    SELECT u.name INTO person
      FROM console_sessions s JOIN console_users u ON u.id = s.id_user
     WHERE s.token_hash = session AND s.expires_at > now() AND u.disabled_at IS NULL;
    IF person IS NULL THEN
        RAISE EXCEPTION 'no valid session of the console' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    WITH replayed AS (
        UPDATE webhook_inbox
           SET status = 'pending', attempts = 0, crashes = 0, next_attempt_at = now(), error = NULL
         WHERE status = 'dead' AND body IS NOT NULL AND lease_token IS NULL AND (wanted IS NULL OR id = ANY (wanted))
        RETURNING id)
    SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO put_back FROM replayed;
    IF cardinality(put_back) > 0 THEN
        INSERT INTO audit_log (actor, action, detail)
        VALUES (person, 'replay', jsonb_build_object('deliveries', put_back));
    END IF;
    RETURN cardinality(put_back);
END $$;
COMMENT ON FUNCTION replay_dead_deliveries(bytea, bigint[]) IS
    'Puts dead letters, all or those of these ids, back in line, records who did it, and returns how many';
DO $$
BEGIN
    EXECUTE 'REVOKE ALL ON FUNCTION replay_dead_deliveries(bytea, bigint[]) FROM PUBLIC';
    EXECUTE format('ALTER FUNCTION replay_dead_deliveries(bytea, bigint[]) SET search_path = %I, pg_temp', current_schema());
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
