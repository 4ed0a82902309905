-- migrate:up

-- Several hosts run the same code. `migrate` records which code that is; a worker with other code takes no run.
CREATE TABLE deployed_code (
    code_hash text PRIMARY KEY CHECK (code_hash ~ '^[0-9a-f]{40}$'),
    version text NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE deployed_code IS
    'The code that migrated this database, one row for each version; the newest deployed_at is the current one.';
COMMENT ON COLUMN deployed_code.code_hash IS 'Hash of the source files of the package and its SQL.';
COMMENT ON COLUMN deployed_code.version IS 'Version of the package, for people.';
COMMENT ON COLUMN deployed_code.deployed_at IS 'When `whatsapp-pipeline migrate` was last run from this code.';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
