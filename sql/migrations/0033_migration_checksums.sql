-- migrate:up

-- The content of each migration that was applied, so that a file that was edited or removed afterwards is noticed.
-- The program fills the table after it has migrated; for migrations that were applied before this one, it stores
-- the checksums of the files as they are now.
CREATE TABLE pipeline_migration_checksums (
    version      text PRIMARY KEY,
    file_name    text NOT NULL,
    checksum     text NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pipeline_migration_checksums IS
    'One row per applied migration: the checksum of its file, compared before each migration and each run';
COMMENT ON COLUMN pipeline_migration_checksums.version IS 'Number of the migration, as in pipeline_migrations';
COMMENT ON COLUMN pipeline_migration_checksums.file_name IS 'Name of the file in sql/migrations/';
COMMENT ON COLUMN pipeline_migration_checksums.checksum IS 'SHA-256 of the file, in hexadecimal, line ends as LF';
COMMENT ON COLUMN pipeline_migration_checksums.recorded_at IS 'When the program stored the checksum';

-- Whoever may ask which migrations were applied may ask for their checksums.
DO $$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT DISTINCT a.grantee::regrole::text
          FROM pg_class c, aclexplode(c.relacl) a
         WHERE c.oid = to_regclass('pipeline_migrations') AND a.privilege_type = 'SELECT'
           AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON pipeline_migration_checksums TO %s', reader);
    END LOOP;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
