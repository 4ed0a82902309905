-- migrate:up

-- A person is erased from the database at once, and from the disks of all hosts by each host itself. An erasure waits here
-- until each host that keeps copies has confirmed it.
CREATE TABLE privacy_erasures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject bytea,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    queued_on text NOT NULL
);
COMMENT ON TABLE privacy_erasures IS 'Erasures that every host with copies of personal data applies to its own disk.';
COMMENT ON COLUMN privacy_erasures.subject IS
    'Keyed hash of the erased person, as in audit_log; empty where the whole list was erased again, as after a restore.';
COMMENT ON COLUMN privacy_erasures.queued_at IS 'When the person was erased from the database.';
COMMENT ON COLUMN privacy_erasures.queued_on IS 'Name of the host on which that was asked for.';

CREATE TABLE privacy_hosts (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE privacy_hosts IS 'Hosts whose disk may hold copies of personal data: spool, quarantine, ERP pages, reports.';
COMMENT ON COLUMN privacy_hosts.id IS 'Number of the local folder, in its file host.id.';
COMMENT ON COLUMN privacy_hosts.name IS 'PIPELINE_HOST_NAME, or the name of the machine.';
COMMENT ON COLUMN privacy_hosts.registered_at IS 'When the host first asked for erasures.';
COMMENT ON COLUMN privacy_hosts.seen_at IS 'When the host last asked for erasures.';

CREATE TABLE privacy_confirmations (
    id_erasure bigint NOT NULL REFERENCES privacy_erasures ON DELETE CASCADE,
    id_host uuid NOT NULL REFERENCES privacy_hosts ON DELETE CASCADE,
    confirmed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id_erasure, id_host)
);
CREATE INDEX ON privacy_confirmations (id_host);
COMMENT ON TABLE privacy_confirmations IS 'Which host has applied which erasure to its disk.';
COMMENT ON COLUMN privacy_confirmations.confirmed_at IS 'When the host had removed its copies.';

-- Who was erased before there was a queue may still be on the disks of other hosts.
INSERT INTO privacy_erasures (queued_on) SELECT 'migration 0104' WHERE EXISTS (SELECT FROM privacy_suppressions);

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
