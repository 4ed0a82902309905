-- migrate:up

-- Who may use the web console. A person's level is that of the database login their pages are read with.
CREATE TABLE console_users (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
    level          text NOT NULL CHECK (level IN ('reader', 'analyst', 'reviewer')),
    password_hash  text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    disabled_at    timestamptz,
    last_login_at  timestamptz
);
COMMENT ON TABLE console_users IS 'Users of the web console';
COMMENT ON COLUMN console_users.name IS 'Login name, lower case';
COMMENT ON COLUMN console_users.level IS 'reader: summaries; analyst: messages too; reviewer: decisions too';
COMMENT ON COLUMN console_users.password_hash IS 'scrypt with its parameters and salt; null: only a login link or a proxy lets the user in';
COMMENT ON COLUMN console_users.disabled_at IS 'Since when the user may not log in; null: the user may';

-- A session ends when it is idle or old, when the user logs out or is disabled. Only the hash of the cookie is kept.
CREATE TABLE console_sessions (
    token_hash    bytea PRIMARY KEY,
    id_user       bigint NOT NULL REFERENCES console_users ON DELETE CASCADE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL
);
CREATE INDEX console_sessions_user_idx ON console_sessions (id_user);
CREATE INDEX console_sessions_expires_idx ON console_sessions (expires_at);
COMMENT ON TABLE console_sessions IS 'Sessions of the web console';
COMMENT ON COLUMN console_sessions.token_hash IS 'SHA-256 of the cookie''s random value';
COMMENT ON COLUMN console_sessions.last_seen_at IS 'Last request, to the minute';
COMMENT ON COLUMN console_sessions.expires_at IS 'The session ends then, however busy it is';

-- A link that logs a user in once, for the first start and for users without a password.
CREATE TABLE console_login_links (
    token_hash  bytea PRIMARY KEY,
    id_user     bigint NOT NULL REFERENCES console_users ON DELETE CASCADE,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX console_login_links_user_idx ON console_login_links (id_user);
COMMENT ON TABLE console_login_links IS 'Links that log a user in once; a used one is deleted';
COMMENT ON COLUMN console_login_links.token_hash IS 'SHA-256 of the link''s random value';

-- Failed logins by account and by address. After some failures each further one doubles the wait.
CREATE TABLE console_login_failures (
    key_hash        bytea PRIMARY KEY,
    failures        integer NOT NULL CHECK (failures > 0),
    last_failed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX console_login_failures_last_idx ON console_login_failures (last_failed_at);
COMMENT ON TABLE console_login_failures IS 'Failed logins of the last day, by account and by address';
COMMENT ON COLUMN console_login_failures.key_hash IS 'Keyed hash of the account name or of the network address';

-- Who looked at whose messages: one row per person, action, subject and ten minutes. No word that was searched for.
CREATE TABLE console_views (
    id_user       bigint NOT NULL REFERENCES console_users,
    action        text NOT NULL CHECK (action IN ('view', 'search', 'print', 'export', 'note')),
    subject       bytea NOT NULL,
    window_start  timestamptz NOT NULL,
    pages         integer NOT NULL DEFAULT 1,
    first_at      timestamptz NOT NULL DEFAULT now(),
    last_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id_user, action, subject, window_start)
);
CREATE INDEX console_views_subject_idx ON console_views (subject, window_start);
CREATE INDEX console_views_window_idx ON console_views (window_start);
COMMENT ON TABLE console_views IS 'Who looked at whose messages in the console, in steps of ten minutes';
COMMENT ON COLUMN console_views.action IS 'view, search (found among the hits), print, export, or note (pinned note written)';
COMMENT ON COLUMN console_views.subject IS 'Keyed hash of the customer, or of the chat where no customer is known';
COMMENT ON COLUMN console_views.window_start IS 'Start of the ten minutes';
COMMENT ON COLUMN console_views.pages IS 'Pages with this customer''s messages in the ten minutes';

-- The roles that view must be able to record and must not be able to read, change or delete a record. The session
-- proves who views: a role can't record in another person's name.
CREATE FUNCTION console_record_views(session bytea, action text, subjects bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    viewer bigint;
BEGIN
    SELECT u.id INTO viewer
      FROM console_sessions s JOIN console_users u ON u.id = s.id_user
     WHERE s.token_hash = session AND s.expires_at > now() AND u.disabled_at IS NULL;
    IF viewer IS NULL THEN
        RAISE EXCEPTION 'no valid session of the console' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
    INSERT INTO console_views AS v (id_user, action, subject, window_start)
    SELECT viewer, console_record_views.action, seen.subject,
           to_timestamp(floor(extract(epoch FROM now()) / 600) * 600)
      FROM (SELECT DISTINCT subject FROM unnest(subjects) AS subject ORDER BY subject) seen
    ON CONFLICT (id_user, action, subject, window_start) DO UPDATE SET pages = v.pages + 1, last_at = now();
END $$;
COMMENT ON FUNCTION console_record_views IS 'Records that the session''s user looks at these subjects'' messages';

-- A note on a customer that everybody who opens the page sees.
CREATE TABLE customer_notes (
    id_contato  bigint PRIMARY KEY,
    note        text NOT NULL CHECK (btrim(note) <> '' AND length(note) <= 2000),
    made_by     text NOT NULL CHECK (btrim(made_by) <> ''),
    made_at     timestamptz NOT NULL DEFAULT now()
);
SELECT link_to_adopted('customer_notes', 'id_contato', 'contatos', 'CASCADE');
COMMENT ON TABLE customer_notes IS 'The pinned note of a customer, at most one';
COMMENT ON COLUMN customer_notes.note IS '[pii] What everybody who opens the customer''s page should know';
COMMENT ON COLUMN customer_notes.made_by IS 'User of the console who wrote it last';
COMMENT ON COLUMN customer_notes.made_at IS 'When it was written last';

-- Nobody calls the function but the roles that `grants` names, and it finds its tables whatever the caller's path is.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON FUNCTION console_record_views(bytea, text, bytea[]) FROM PUBLIC');
    EXECUTE format('ALTER FUNCTION console_record_views(bytea, text, bytea[]) SET search_path = %I, pg_temp',
                   current_schema());
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
