-- migrate:up

-- What each check found in each month, the newest evaluation only. Whether a count passes is judged when it is
-- read, because the tolerance is a setting and a person can accept a fault.
CREATE TABLE qa_results (
    check_name    text NOT NULL CHECK (btrim(check_name) <> ''),
    month         text CHECK (month ~ '^\d{4}-(0[1-9]|1[0-2])$'),
    examined      bigint NOT NULL CHECK (examined >= 0),
    failing       bigint NOT NULL CHECK (failing >= 0),
    severity      text NOT NULL CHECK (severity IN ('warn', 'error')),
    sample        json NOT NULL DEFAULT '[]',
    run_id        text,
    evaluated_at  timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (check_name, month)
);
COMMENT ON TABLE qa_results IS 'What each check found in each month, by its newest evaluation';
COMMENT ON COLUMN qa_results.check_name IS 'Name of the check, as in Dagster';
COMMENT ON COLUMN qa_results.month IS 'Month YYYY-MM; NULL: rows of no month, or a check that is not about months';
COMMENT ON COLUMN qa_results.examined IS 'Rows that the check looked at; 0: there was nothing to examine';
COMMENT ON COLUMN qa_results.failing IS 'Rows that break the rule, exact';
COMMENT ON COLUMN qa_results.severity IS 'How grave a failure is: warn or error';
COMMENT ON COLUMN qa_results.sample IS '[pii] The first failing rows, masked, as an array of objects';
COMMENT ON COLUMN qa_results.run_id IS 'The Dagster run that evaluated it; NULL: evaluated from the command line';
COMMENT ON COLUMN qa_results.evaluated_at IS 'When it was evaluated';

-- A fault that somebody accepted. It counts as accepted until the date has passed or more rows fail than then.
CREATE TABLE qa_acceptances (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    check_name  text NOT NULL CHECK (btrim(check_name) <> ''),
    month       text CHECK (month ~ '^\d{4}-(0[1-9]|1[0-2])$'),
    failing     bigint NOT NULL CHECK (failing > 0),
    reason      text NOT NULL CHECK (btrim(reason) <> ''),
    made_by     text NOT NULL DEFAULT current_user CHECK (btrim(made_by) <> ''),
    made_at     timestamptz NOT NULL DEFAULT now(),
    until       date NOT NULL,
    removed_at  timestamptz
);
CREATE UNIQUE INDEX qa_acceptances_in_force_idx ON qa_acceptances (check_name, coalesce(month, ''))
    WHERE removed_at IS NULL;
COMMENT ON TABLE qa_acceptances IS 'Faults of a check in a month that a person accepted, and until when';
COMMENT ON COLUMN qa_acceptances.check_name IS 'Name of the check, as in Dagster';
COMMENT ON COLUMN qa_acceptances.month IS 'Month YYYY-MM; NULL: rows of no month';
COMMENT ON COLUMN qa_acceptances.failing IS 'Failing rows when it was accepted; more than these are red again';
COMMENT ON COLUMN qa_acceptances.reason IS 'Why it was accepted';
COMMENT ON COLUMN qa_acceptances.made_by IS 'Who accepted it';
COMMENT ON COLUMN qa_acceptances.made_at IS 'When it was accepted';
COMMENT ON COLUMN qa_acceptances.until IS 'Last day on which it counts as accepted';
COMMENT ON COLUMN qa_acceptances.removed_at IS 'When it was withdrawn or replaced; NULL: in force';

-- A file of the archive that is no chat. The pipeline does not read it and no check counts it.
CREATE TABLE ignored_files (
    file_path  text NOT NULL CHECK (file_path <> ''),
    reason     text NOT NULL CHECK (btrim(reason) <> ''),
    made_by    text NOT NULL DEFAULT current_user CHECK (btrim(made_by) <> ''),
    made_at    timestamptz NOT NULL DEFAULT now()
);
-- By its hash: a path can be longer than an entry of an index.
CREATE UNIQUE INDEX ignored_files_path_idx ON ignored_files (md5(file_path));
COMMENT ON TABLE ignored_files IS 'Files of the archive that are no chats: not read, and counted by no check';
COMMENT ON COLUMN ignored_files.file_path IS '[pii] Path below the archive, as in chat_files';
COMMENT ON COLUMN ignored_files.reason IS '[pii] Why it is ignored';
COMMENT ON COLUMN ignored_files.made_by IS 'Who decided it';
COMMENT ON COLUMN ignored_files.made_at IS 'When it was decided';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
