-- migrate:up

-- What a person has taken care of: the customer stays out of the console's list of open cases until a day, or until they
-- write again.
CREATE TABLE handled_cases (
    id_contato  bigint PRIMARY KEY,
    until       date NOT NULL,
    note        text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    made_by     text NOT NULL CHECK (btrim(made_by) <> ''),
    made_at     timestamptz NOT NULL DEFAULT now()
);
SELECT link_to_adopted('handled_cases', 'id_contato', 'contatos', 'CASCADE');
COMMENT ON TABLE handled_cases IS 'Open cases that a person has taken care of; at most one per customer';
COMMENT ON COLUMN handled_cases.until IS 'Last day on which the case stays out of the list';
COMMENT ON COLUMN handled_cases.note IS '[pii] What was done, or what was agreed';
COMMENT ON COLUMN handled_cases.made_by IS 'User of the console who handled it';
COMMENT ON COLUMN handled_cases.made_at IS 'When it was handled; a later message of the customer brings the case back';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
