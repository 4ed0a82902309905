-- migrate:up

-- A decision can refuse a contact or an order, say what kind of nobody wrote, and be taken back at any time: what it
-- had replaced is then in force again. A decision that was replaced names its successor; one that a person took back
-- does not, and is never in force again.
ALTER TABLE link_overrides
    ADD COLUMN nobody_kind text
        CHECK (nobody_kind IN ('unregistered', 'new_customer', 'private_or_supplier', 'wrong_number')),
    ADD COLUMN superseded_by bigint;

ALTER TABLE link_overrides
    DROP CONSTRAINT link_overrides_decision_check,
    DROP CONSTRAINT a_contact_decision_names_its_contact,
    DROP CONSTRAINT an_order_decision_names_its_order,
    DROP CONSTRAINT only_an_order_has_a_session,
    ADD CONSTRAINT link_overrides_decision_check
        CHECK (decision IN ('contact', 'no_contact', 'not_contact', 'order', 'no_order', 'not_order')),
    ADD CONSTRAINT a_contact_decision_names_its_contact
        CHECK ((decision IN ('contact', 'not_contact')) = (id_contato IS NOT NULL)),
    ADD CONSTRAINT an_order_decision_names_its_order
        CHECK ((decision IN ('order', 'not_order')) = (id_ordem_servico IS NOT NULL)),
    ADD CONSTRAINT only_an_order_has_a_session
        CHECK (session_number IS NULL OR decision IN ('order', 'no_order', 'not_order')),
    ADD CONSTRAINT only_nobody_has_a_kind CHECK (nobody_kind IS NULL OR decision = 'no_contact'),
    ADD CONSTRAINT only_a_replaced_decision_has_a_successor
        CHECK (superseded_by IS NULL OR (removed_at IS NOT NULL AND superseded_by > id));

-- What a decision answers: whose chat it is, which order a session is about, or whether it is a certain contact's or
-- order's. Two decisions on one target replace each other when they answer the same question.
CREATE FUNCTION override_question(decision text, id_contato bigint, id_ordem_servico bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN decision IN ('contact', 'no_contact') THEN 'contact'
            WHEN decision IN ('order', 'no_order') THEN 'order'
            WHEN decision = 'not_contact' THEN 'not contact ' || id_contato
            ELSE 'not order ' || id_ordem_servico END;

DROP INDEX link_overrides_in_force_idx;
CREATE UNIQUE INDEX link_overrides_in_force_idx ON link_overrides
    (target_kind, target, coalesce(chat_number, 0), coalesce(session_number, 0),
     override_question(decision, id_contato, id_ordem_servico))
    WHERE removed_at IS NULL;
CREATE INDEX link_overrides_superseded_by_idx ON link_overrides (superseded_by) WHERE superseded_by IS NOT NULL;

CREATE OR REPLACE FUNCTION link_overrides_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    state CONSTANT text[] := '{removed_at,removed_by,removed_reason,superseded_by}';
    person CONSTANT text[] := '{target_kind,target,chat_number,reason,removed_at,removed_by,removed_reason}';
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
    -- The erasure of a person takes them out of the decisions about them.
    IF (NEW.target_kind, NEW.target, NEW.reason, NEW.removed_reason)
            = ('title', 'erased:' || OLD.id, 'erased', 'erased')
            AND NEW.chat_number IS NULL
            AND NEW.removed_at = coalesce(OLD.removed_at, NEW.removed_at)
            AND NEW.removed_by = coalesce(OLD.removed_by, NEW.removed_by)
            AND (to_jsonb(NEW) - person) = (to_jsonb(OLD) - person) THEN
        RETURN NEW;
    END IF;
    -- In force, replaced, in force again, taken back: nothing else of a decision changes, and the last is final.
    IF (OLD.removed_at IS NOT NULL AND OLD.superseded_by IS NULL)
            OR OLD.removed_reason = 'erased'
            OR (to_jsonb(NEW) - state) <> (to_jsonb(OLD) - state) THEN
        RAISE EXCEPTION 'an override is never rewritten: add a new one, which supersedes it';
    END IF;
    RETURN NEW;
END $$;

-- Decisions that were replaced before they named their successor: it was made in the same transaction.
ALTER TABLE link_overrides DISABLE TRIGGER link_overrides_guard;
UPDATE link_overrides o
SET superseded_by = (
    SELECT min(n.id) FROM link_overrides n
    WHERE n.id > o.id AND n.made_at = o.removed_at AND n.target_kind = o.target_kind AND n.target = o.target
      AND coalesce(n.chat_number, 0) = coalesce(o.chat_number, 0)
      AND coalesce(n.session_number, 0) = coalesce(o.session_number, 0)
      AND override_question(n.decision, n.id_contato, n.id_ordem_servico)
          = override_question(o.decision, o.id_contato, o.id_ordem_servico))
WHERE o.removed_reason LIKE 'superseded: %';
-- A successor that a person took back before this migration leaves its predecessor final, as it was then.
UPDATE link_overrides o SET superseded_by = NULL
FROM link_overrides n WHERE n.id = o.superseded_by AND n.removed_at IS NOT NULL AND n.superseded_by IS NULL;
ALTER TABLE link_overrides ENABLE TRIGGER link_overrides_guard;

DROP FUNCTION override_link(text, text, text, bigint, text, text, integer, integer);
-- Decide a link for good. target_kind: 'file' (its path in the archive), 'phone' or 'title'; decision: 'contact' and
-- 'order' with the id, 'no_contact' and 'no_order' without, 'not_contact' and 'not_order' with the id that is
-- refused. A decision in force on the same question is superseded. Returns the override's id. Takes effect when the
-- month is linked again.
CREATE FUNCTION override_link(
    target_kind text, target text, decision text, id bigint, reason text,
    made_by text DEFAULT current_user, chat_number integer DEFAULT NULL, session_number integer DEFAULT NULL,
    nobody_kind text DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    wanted text := CASE target_kind WHEN 'phone' THEN phone_key(target)
                                    WHEN 'title' THEN title_key(target)
                                    ELSE target END;
    about_order boolean := decision IN ('order', 'no_order', 'not_order');
    contact bigint := CASE WHEN NOT about_order THEN override_link.id END;
    service_order bigint := CASE WHEN about_order THEN override_link.id END;
    made bigint := nextval(pg_get_serial_sequence('link_overrides', 'id'));
BEGIN
    UPDATE link_overrides o
    SET removed_at = now(), removed_by = override_link.made_by,
        removed_reason = 'superseded: ' || override_link.reason, superseded_by = made
    WHERE o.removed_at IS NULL AND o.target_kind = override_link.target_kind AND o.target = wanted
      AND coalesce(o.chat_number, 0) = coalesce(override_link.chat_number, 0)
      AND coalesce(o.session_number, 0) = coalesce(override_link.session_number, 0)
      AND override_question(o.decision, o.id_contato, o.id_ordem_servico)
          = override_question(override_link.decision, contact, service_order);
    INSERT INTO link_overrides (id, target_kind, target, chat_number, session_number, decision, id_contato,
                                id_ordem_servico, reason, made_by, nobody_kind)
    OVERRIDING SYSTEM VALUE
    VALUES (made, override_link.target_kind, wanted, override_link.chat_number, override_link.session_number,
            override_link.decision, contact, service_order, override_link.reason, override_link.made_by,
            override_link.nobody_kind);
    RETURN made;
END $$;

-- A verdict may have made a decision (a refusal); taking that back takes the verdict back. `blind`: the reviewer saw
-- neither the link nor its score before.
ALTER TABLE review_verdicts
    ADD COLUMN id_override bigint,
    ADD COLUMN is_blind boolean NOT NULL DEFAULT false,
    ADD COLUMN withdrawn_at timestamptz;
CREATE INDEX review_verdicts_override_idx ON review_verdicts (id_override) WHERE id_override IS NOT NULL;

-- Take a decision back; it stays on record. What it had superseded is in force again; a decision that is superseded
-- itself only leaves the chain. Returns whether it could be taken back.
CREATE OR REPLACE FUNCTION remove_override(id bigint, reason text, removed_by text DEFAULT current_user)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    successor bigint;
    was_in_force boolean;
BEGIN
    SELECT o.removed_at IS NULL, o.superseded_by INTO was_in_force, successor
    FROM link_overrides o
    WHERE o.id = remove_override.id AND (o.removed_at IS NULL OR o.superseded_by IS NOT NULL)
      AND coalesce(o.removed_reason, '') <> 'erased'
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE link_overrides o
    SET removed_at = now(), removed_by = remove_override.removed_by, removed_reason = remove_override.reason,
        superseded_by = NULL
    WHERE o.id = remove_override.id;
    IF was_in_force THEN
        UPDATE link_overrides o
        SET removed_at = NULL, removed_by = NULL, removed_reason = NULL, superseded_by = NULL
        WHERE o.superseded_by = remove_override.id AND o.removed_reason <> 'erased';
    ELSE
        UPDATE link_overrides o SET superseded_by = successor
        WHERE o.superseded_by = remove_override.id AND o.removed_reason <> 'erased';
    END IF;
    UPDATE review_verdicts v SET withdrawn_at = now()
    WHERE v.id_override = remove_override.id AND v.withdrawn_at IS NULL;
    RETURN true;
END $$;

-- What a reviewer put off: it stays in everybody else's queue.
CREATE TABLE review_snoozes (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id_chat_file    bigint NOT NULL REFERENCES chat_files ON DELETE CASCADE,
    session_number  integer CHECK (session_number >= 1),
    reviewer        text NOT NULL CHECK (btrim(reviewer) <> ''),
    until           timestamptz NOT NULL,
    made_at         timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX review_snoozes_item_idx
    ON review_snoozes (id_chat_file, coalesce(session_number, 0), reviewer);

COMMENT ON COLUMN link_overrides.decision IS
    'contact, no_contact, order, no_order; not_contact and not_order refuse the one they name';
COMMENT ON COLUMN link_overrides.id_contato IS 'The contact it decides for, or refuses';
COMMENT ON COLUMN link_overrides.id_ordem_servico IS 'The order it decides for, or refuses';
COMMENT ON COLUMN link_overrides.nobody_kind IS
    'Why the chat is no contact''s: unregistered, new_customer, private_or_supplier, wrong_number';
COMMENT ON COLUMN link_overrides.superseded_by IS 'The decision that replaced it; null: in force, or taken back';
COMMENT ON COLUMN review_verdicts.id_override IS 'The decision that the verdict made; taken back with it';
COMMENT ON COLUMN review_verdicts.is_blind IS 'Given before the link and its score were shown';
COMMENT ON COLUMN review_verdicts.withdrawn_at IS 'When it was taken back; null: it counts';
COMMENT ON TABLE review_snoozes IS 'What a reviewer put off; it stays in the queue of all others';
COMMENT ON COLUMN review_snoozes.id IS 'The snooze';
COMMENT ON COLUMN review_snoozes.id_chat_file IS 'The chat that was put off';
COMMENT ON COLUMN review_snoozes.session_number IS 'Only this session; null: the chat itself';
COMMENT ON COLUMN review_snoozes.reviewer IS 'Who put it off';
COMMENT ON COLUMN review_snoozes.until IS 'When it comes back into that reviewer''s queue';
COMMENT ON COLUMN review_snoozes.made_at IS 'When it was put off';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
