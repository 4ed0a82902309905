-- migrate:up

-- What a person said of a link in the review sample, beside what the pipeline said at that moment. A verdict
-- on a link that has changed since is kept and no longer counted.
CREATE TABLE review_verdicts (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id_chat_file      bigint NOT NULL REFERENCES chat_files ON DELETE CASCADE,
    verdict           text NOT NULL CHECK (verdict IN ('right', 'wrong', 'unsure')),
    match_status      text NOT NULL,
    match_method      text,
    match_confidence  double precision,
    id_contato        bigint,
    id_ordem_servico  bigint,
    note              text,
    reviewer          text NOT NULL DEFAULT current_user CHECK (btrim(reviewer) <> ''),
    made_at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX review_verdicts_chat_idx ON review_verdicts (id_chat_file, id DESC);
COMMENT ON COLUMN review_verdicts.note IS '[pii] What the reviewer wrote';

-- A checkpoint between phases that somebody let pass, and why; month NULL: for every month.
CREATE TABLE checkpoint_waivers (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    checkpoint      text NOT NULL
        CHECK (checkpoint IN ('contacts_complete', 'files_indexed', 'links_reviewed')),
    month           text CHECK (month ~ '^\d{4}-(0[1-9]|1[0-2])$'),
    reason          text NOT NULL CHECK (btrim(reason) <> ''),
    made_by         text NOT NULL DEFAULT current_user CHECK (btrim(made_by) <> ''),
    made_at         timestamptz NOT NULL DEFAULT now(),
    removed_at      timestamptz
);
CREATE UNIQUE INDEX checkpoint_waivers_in_force_idx ON checkpoint_waivers (checkpoint, coalesce(month, ''))
    WHERE removed_at IS NULL;

-- While a row has no end, the schedules that fill or empty tables request nothing and steps stop after the batch
-- they are at. Backups, the report and the webhook's housekeeping go on.
CREATE TABLE pauses (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason     text NOT NULL DEFAULT '',
    made_by    text NOT NULL DEFAULT current_user,
    began_at   timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);
CREATE UNIQUE INDEX pauses_one_at_a_time_idx ON pauses ((true)) WHERE ended_at IS NULL;

-- Who exported or erased whose data, let a checkpoint pass or restored a backup. The person is named by a
-- keyed hash only: the log outlives the data it speaks of.
CREATE TABLE audit_log (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    actor    text NOT NULL DEFAULT current_user,
    action   text NOT NULL,
    subject  bytea,
    detail   jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_action_idx ON audit_log (action, id DESC);

CREATE FUNCTION audit_log_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is only ever added to';
END $$;
CREATE TRIGGER audit_log_guard BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_guard();
CREATE TRIGGER audit_log_guard_all BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_guard();

-- Who must not come back: HMAC-SHA-256 of what identifies an erased person, under a key that is not in the
-- database, so that nobody can find out from this table who it is. kind: contact (ERP id), phone (key as in
-- contact_phones), file (path and chat number), chat (chat_key), identity (canonical name in webhooks).
CREATE TABLE privacy_suppressions (
    kind      text NOT NULL CHECK (kind IN ('contact', 'phone', 'file', 'chat', 'identity')),
    key_hash  bytea NOT NULL,
    made_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key_hash)
);
-- Tells a wrong key from the right one: the hash of a constant under the key in use.
CREATE TABLE privacy_key (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    fingerprint  bytea NOT NULL
);

-- The same HMAC in SQL, for joins. The session is handed the key's two pads first (store/suppression.py, arm);
-- one that was not is refused as soon as the list has an entry of that kind, rather than told "not suppressed".
CREATE FUNCTION is_suppressed(kind text, value text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
BEGIN
    IF value IS NULL OR NOT EXISTS (SELECT FROM privacy_suppressions s WHERE s.kind = is_suppressed.kind) THEN
        RETURN false;
    END IF;
    RETURN EXISTS (
        SELECT FROM privacy_suppressions s
        WHERE s.kind = is_suppressed.kind AND s.key_hash =
            sha256(decode(current_setting('whatsapp_pipeline.suppression_outer'), 'hex')
                || sha256(decode(current_setting('whatsapp_pipeline.suppression_inner'), 'hex')
                    || convert_to(is_suppressed.kind || ':' || is_suppressed.value, 'UTF8'))));
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
