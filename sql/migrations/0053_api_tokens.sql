-- migrate:up

-- Programs use the console's API with a token of their own. The level names the database login that reads for them.
CREATE TABLE api_tokens (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
    level         text NOT NULL CHECK (level IN ('reader', 'analyst', 'reviewer', 'manager')),
    token_hash    bytea NOT NULL UNIQUE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz
);
CREATE UNIQUE INDEX api_tokens_name_idx ON api_tokens (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE api_tokens IS 'Tokens of the programs that use the console''s API, one per program';
COMMENT ON COLUMN api_tokens.name IS 'The program; views are on record under the user client.<name>';
COMMENT ON COLUMN api_tokens.level IS
    'reader: summaries; analyst: messages too; reviewer: decisions too; manager: tenants and business numbers alone';
COMMENT ON COLUMN api_tokens.token_hash IS 'SHA-256 of the token''s random value';
COMMENT ON COLUMN api_tokens.expires_at IS 'The token does not work from then on; null: until it is revoked';
COMMENT ON COLUMN api_tokens.revoked_at IS 'Since when the token does not work; null: it was not revoked';
COMMENT ON COLUMN api_tokens.last_used_at IS 'Last request, to the minute';

-- Who adds a business number puts the deliveries that wait for it back in line, and reads none of them.
CREATE FUNCTION unpark_deliveries(account text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    put_back bigint;
BEGIN
    UPDATE webhook_inbox SET status = 'pending', next_attempt_at = now()
     WHERE status = 'parked' AND account = ANY (waiting_for) AND body IS NOT NULL;
    GET DIAGNOSTICS put_back = ROW_COUNT;
    RETURN put_back;
END $$;
COMMENT ON FUNCTION unpark_deliveries(text) IS
    'Puts the deliveries that wait for a business number back in line and returns how many';
DO $$
DECLARE
    writer text;
BEGIN
    EXECUTE 'REVOKE ALL ON FUNCTION unpark_deliveries(text) FROM PUBLIC';
    EXECUTE format('ALTER FUNCTION unpark_deliveries(text) SET search_path = %I, pg_temp', current_schema());
    -- Who could do so before may do so until somebody runs `grants` again.
    FOR writer IN
        SELECT DISTINCT a.grantee::regrole::text
          FROM pg_class t, aclexplode(t.relacl) a
         WHERE t.oid = 'webhook_inbox'::regclass AND a.privilege_type = 'UPDATE' AND a.grantee NOT IN (0, t.relowner)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION unpark_deliveries(text) TO %s', writer);
    END LOOP;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
