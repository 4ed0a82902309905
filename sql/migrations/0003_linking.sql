-- migrate:up

-- Numbers of unknown area are compared by their last eight digits; order numbers without leading zeros.
CREATE INDEX contact_phones_last8_idx ON contact_phones (right(key, 8));
CREATE INDEX ordens_servico_numero_plain_idx ON ordens_servico (ltrim(numero_ordem_servico::text, '0'));

-- The contacts a chat may belong to, best first, and why: [{name, value, weight, words}], weights in log-odds.
CREATE TABLE match_candidates (
    id_chat_file  bigint NOT NULL REFERENCES chat_files ON DELETE CASCADE,
    rank          smallint NOT NULL CHECK (rank >= 1),
    id_contato    bigint NOT NULL,
    confidence    double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    method        text NOT NULL,
    evidence      jsonb NOT NULL,
    PRIMARY KEY (id_chat_file, rank)
);
CREATE INDEX match_candidates_id_contato_idx ON match_candidates (id_contato);
SELECT link_to_adopted('match_candidates', 'id_contato', 'contatos', 'CASCADE');

-- The orders a session may be about, best first, and why.
CREATE TABLE order_candidates (
    id_chat_session   bigint NOT NULL REFERENCES chat_sessions ON DELETE CASCADE,
    rank              smallint NOT NULL CHECK (rank >= 1),
    id_ordem_servico  bigint NOT NULL,
    confidence        double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    method            text NOT NULL,
    evidence          jsonb NOT NULL,
    PRIMARY KEY (id_chat_session, rank)
);
CREATE INDEX order_candidates_id_ordem_servico_idx ON order_candidates (id_ordem_servico);
SELECT link_to_adopted('order_candidates', 'id_ordem_servico', 'ordens_servico', 'CASCADE');

-- Fitted weights, with what they were fitted on and how reliable they proved; the newest of a kind counts.
CREATE TABLE link_models (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('names', 'orders')),
    version      text NOT NULL,
    fitted_at    timestamptz NOT NULL DEFAULT now(),
    seed         bigint NOT NULL,
    contacts     bigint NOT NULL,
    overrides    bigint NOT NULL,
    model        jsonb NOT NULL,
    reliability  jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX link_models_kind_idx ON link_models (kind, id DESC);

-- Hashes of what a month's links rested on when they were last decided: while it is the same, they stand.
CREATE TABLE link_stamps (
    stage   text NOT NULL,
    month   text NOT NULL,
    stamp   bytea NOT NULL,
    PRIMARY KEY (stage, month)
);

-- What a month's chats were linked by when a run last changed something: the report's "since the last run".
CREATE TABLE link_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    month       text NOT NULL,
    linked_at   timestamptz NOT NULL DEFAULT now(),
    by_status   jsonb NOT NULL,
    changes     jsonb NOT NULL
);
CREATE INDEX link_runs_month_idx ON link_runs (month, id DESC);

-- People's decisions. They outrank every other evidence and hold for ever: a row is never deleted or
-- rewritten, only marked as removed. Targets are texts and not ids of ours, so that they outlive a re-index.
CREATE TABLE link_overrides (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_kind       text NOT NULL CHECK (target_kind IN ('file', 'phone', 'title')),
    target            text NOT NULL CHECK (btrim(target) <> ''),
    chat_number       integer CHECK (chat_number >= 1),
    session_number    integer CHECK (session_number >= 1),
    decision          text NOT NULL CHECK (decision IN ('contact', 'no_contact', 'order', 'no_order')),
    id_contato        bigint,
    id_ordem_servico  bigint,
    reason            text NOT NULL CHECK (btrim(reason) <> ''),
    made_by           text NOT NULL DEFAULT current_user CHECK (btrim(made_by) <> ''),
    made_at           timestamptz NOT NULL DEFAULT now(),
    removed_at        timestamptz,
    removed_by        text,
    removed_reason    text,
    CONSTRAINT a_contact_decision_names_its_contact CHECK ((decision = 'contact') = (id_contato IS NOT NULL)),
    CONSTRAINT an_order_decision_names_its_order CHECK ((decision = 'order') = (id_ordem_servico IS NOT NULL)),
    CONSTRAINT only_a_file_has_chats CHECK (chat_number IS NULL OR target_kind = 'file'),
    CONSTRAINT only_an_order_has_a_session CHECK (session_number IS NULL OR decision IN ('order', 'no_order')),
    CONSTRAINT a_phone_is_a_key CHECK (target_kind <> 'phone' OR target ~ '^(\d{10}|xx\d{8}|\+\d{6,15}|lid:\d+)$'),
    CONSTRAINT a_removal_says_who_and_why CHECK (
        (removed_at IS NULL) = (removed_by IS NULL) AND (removed_at IS NULL) = (removed_reason IS NULL)
        AND btrim(coalesce(removed_reason, 'x')) <> '')
);
-- One decision in force for a target and a question; a new one supersedes it (override_link).
CREATE UNIQUE INDEX link_overrides_in_force_idx ON link_overrides
    (target_kind, target, coalesce(chat_number, 0), coalesce(session_number, 0), (decision IN ('order', 'no_order')))
    WHERE removed_at IS NULL;

CREATE FUNCTION link_overrides_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION 'link_overrides is an audit: rows are never deleted; use remove_override(id, reason)';
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- No foreign keys: they would refuse the user's own programs a deletion in their own tables.
        IF NEW.id_contato IS NOT NULL AND NOT EXISTS (SELECT FROM contatos WHERE id = NEW.id_contato) THEN
            RAISE EXCEPTION 'there is no contact % in contatos', NEW.id_contato USING ERRCODE = 'foreign_key_violation';
        END IF;
        IF NEW.id_ordem_servico IS NOT NULL AND NOT EXISTS (
                SELECT FROM ordens_servico WHERE id = NEW.id_ordem_servico) THEN
            RAISE EXCEPTION 'there is no order with id % in ordens_servico', NEW.id_ordem_servico
                USING ERRCODE = 'foreign_key_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.removed_at IS NOT NULL
            OR (to_jsonb(NEW) - '{removed_at,removed_by,removed_reason}'::text[])
                <> (to_jsonb(OLD) - '{removed_at,removed_by,removed_reason}'::text[]) THEN
        RAISE EXCEPTION 'an override is never rewritten: add a new one, which supersedes it';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER link_overrides_guard BEFORE INSERT OR UPDATE OR DELETE ON link_overrides
    FOR EACH ROW EXECUTE FUNCTION link_overrides_guard();
CREATE TRIGGER link_overrides_guard_all BEFORE TRUNCATE ON link_overrides
    FOR EACH STATEMENT EXECUTE FUNCTION link_overrides_guard();

-- The key of a Brazilian number with its area code, of a foreign one with its plus, as domain/phones.py has it.
CREATE FUNCTION phone_key(phone text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    digits text := regexp_replace(phone, '\D', '', 'g');
BEGIN
    IF phone ~ '^(\d{10}|xx\d{8}|lid:\d+)$' THEN
        RETURN phone;
    END IF;
    IF phone ~ '^\s*\+' AND digits !~ '^55' THEN
        RETURN '+' || digits;
    END IF;
    digits := regexp_replace(digits, '^0+', '');
    IF length(digits) IN (12, 13) AND digits ~ '^55' THEN
        digits := regexp_replace(substr(digits, 3), '^0+', '');
    END IF;
    IF length(digits) NOT IN (10, 11) OR (length(digits) = 11 AND substr(digits, 3, 1) <> '9') THEN
        RAISE EXCEPTION 'not a phone with an area code: write it as +55 41 90000-0000'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN left(digits, 2) || right(digits, 8);
END $$;

-- A title as decisions on titles name it: capitals and runs of blanks do not count.
CREATE FUNCTION title_key(title text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lower(btrim(regexp_replace(title, '\s+', ' ', 'g')));

-- Decide a link for good. target_kind: 'file' (its path in the archive), 'phone' or 'title'; decision:
-- 'contact' and 'order' with the id, 'no_contact' and 'no_order' without. A decision in force on the same
-- question is superseded. Returns the override's id. Takes effect when the month is linked again.
CREATE FUNCTION override_link(
    target_kind text, target text, decision text, id bigint, reason text,
    made_by text DEFAULT current_user, chat_number integer DEFAULT NULL, session_number integer DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    wanted text := CASE target_kind WHEN 'phone' THEN phone_key(target)
                                    WHEN 'title' THEN title_key(target)
                                    ELSE target END;
    about_order boolean := decision IN ('order', 'no_order');
    made bigint;
BEGIN
    UPDATE link_overrides o
    SET removed_at = now(), removed_by = override_link.made_by, removed_reason = 'superseded: ' || override_link.reason
    WHERE o.removed_at IS NULL AND o.target_kind = override_link.target_kind AND o.target = wanted
      AND coalesce(o.chat_number, 0) = coalesce(override_link.chat_number, 0)
      AND coalesce(o.session_number, 0) = coalesce(override_link.session_number, 0)
      AND (o.decision IN ('order', 'no_order')) = about_order;
    INSERT INTO link_overrides (target_kind, target, chat_number, session_number, decision, id_contato,
                                id_ordem_servico, reason, made_by)
    VALUES (override_link.target_kind, wanted, override_link.chat_number, override_link.session_number,
            override_link.decision,
            CASE WHEN override_link.decision IN ('contact', 'no_contact') THEN override_link.id END,
            CASE WHEN about_order THEN override_link.id END,
            override_link.reason, override_link.made_by)
    RETURNING link_overrides.id INTO made;
    RETURN made;
END $$;

-- Take a decision back; it stays on record. Returns whether it was in force.
CREATE FUNCTION remove_override(id bigint, reason text, removed_by text DEFAULT current_user)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE link_overrides o
    SET removed_at = now(), removed_by = remove_override.removed_by, removed_reason = remove_override.reason
    WHERE o.id = remove_override.id AND o.removed_at IS NULL;
    RETURN FOUND;
END $$;

COMMENT ON TABLE match_candidates IS 'The contacts a chat may belong to, best first, and why';
COMMENT ON COLUMN match_candidates.confidence IS 'Posterior among its rivals and none of them';
COMMENT ON COLUMN match_candidates.evidence IS 'Reasons: name, value, weight in log-odds, words; weights add up';
COMMENT ON TABLE order_candidates IS 'The orders a session may be about, best first, and why';
COMMENT ON TABLE link_models IS 'Fitted weights of linking; the newest of a kind counts';
COMMENT ON COLUMN link_models.reliability IS 'Bands of confidence: predicted against simulated precision';
COMMENT ON TABLE link_runs IS 'What each run of contact_links changed, by month';
COMMENT ON TABLE link_overrides IS 'Decisions of people: they outrank all evidence and are never deleted';
COMMENT ON COLUMN link_overrides.target IS '[pii] A path in the archive, a phone''s key, or a title in lower case';
COMMENT ON COLUMN link_overrides.reason IS '[pii] Why, in the words of who decided';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
