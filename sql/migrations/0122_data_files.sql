-- migrate:up

-- Files with people's data that the pipeline wrote outside the database: dumps, QA reports, and what people export. An
-- erasure and retention set outdated_at, until the file is deleted or written again.
CREATE TABLE data_files (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('backup', 'report', 'export', 'person')),
    host text NOT NULL,
    folder text NOT NULL,
    name text NOT NULL,
    bytes bigint,
    modified_ns bigint,
    first_month text,
    subject bytea,
    written_by text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outdated_at timestamptz,
    outdated_by text CHECK (outdated_by IN ('erasure', 'retention')),
    CHECK ((outdated_at IS NULL) = (outdated_by IS NULL))
);
CREATE INDEX data_files_place_idx ON data_files (host, folder, name);
CREATE UNIQUE INDEX data_files_backup_idx ON data_files (host, folder, name) WHERE kind = 'backup';
COMMENT ON TABLE data_files IS 'Files with people''s data that the pipeline wrote: backups, QA reports, exports.';
COMMENT ON COLUMN data_files.kind IS
    'backup, report (QA report), export (rows of many people), person (one person: privacy export, customer --html)';
COMMENT ON COLUMN data_files.host IS 'Host whose disk has the file, as in privacy_hosts.name, or the address of SHARED_DIR.';
COMMENT ON COLUMN data_files.folder IS 'Path or URL of the folder.';
COMMENT ON COLUMN data_files.name IS '[pii] File name; a person may have chosen it.';
COMMENT ON COLUMN data_files.bytes IS 'Size; empty until the file is complete.';
COMMENT ON COLUMN data_files.modified_ns IS 'Time of the file on its disk, in nanoseconds: a file with another time is not ours.';
COMMENT ON COLUMN data_files.first_month IS 'First month in it; empty where it has all months or none.';
COMMENT ON COLUMN data_files.subject IS 'Of kind person: keyed hash of the person, as in privacy_suppressions.';
COMMENT ON COLUMN data_files.written_by IS 'Id of the Dagster run, or the database login.';
COMMENT ON COLUMN data_files.begun_at IS 'When the rows began to be read.';
COMMENT ON COLUMN data_files.outdated_at IS 'Since when it may hold what was erased or deleted from the database.';
COMMENT ON COLUMN data_files.outdated_by IS 'What has deleted that: erasure or retention.';

-- Who may only read exports, too, and must not see or change what others have written.
CREATE FUNCTION register_data_file(
    file uuid, what text, on_host text, in_folder text, called text, whose bytea, months_from text, writer text
) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO data_files (id, kind, host, folder, name, subject, first_month, written_by)
    VALUES (file, what, on_host, in_folder, called, whose, months_from, coalesce(writer, session_user))
$$;
COMMENT ON FUNCTION register_data_file(uuid, text, text, text, text, bytea, text, text) IS
    'Stores that a file begins to be written, so that an erasure from now on counts for it';

-- The complete file has replaced an older one of its name. Without a size it was not written.
CREATE FUNCTION finish_data_file(file uuid, size bigint, time_ns bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    DELETE FROM data_files WHERE id = file AND bytes IS NULL AND size IS NULL;
    DELETE FROM data_files old USING data_files new
     WHERE new.id = file AND old.id <> new.id AND new.bytes IS NULL
       AND (old.host, old.folder, old.name) = (new.host, new.folder, new.name);
    UPDATE data_files SET bytes = size, modified_ns = time_ns WHERE id = file AND bytes IS NULL
$$;
COMMENT ON FUNCTION finish_data_file(uuid, bigint, bigint) IS 'Stores that a registered file is complete, or was not written';
DO $$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['register_data_file(uuid, text, text, text, text, bytea, text, text)',
                               'finish_data_file(uuid, bigint, bigint)'] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one);
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', one, current_schema());
    END LOOP;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
