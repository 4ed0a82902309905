-- migrate:up

-- Who must not come back is also known by the times of their sessions and by their full name: a chat that holds
-- messages of the staff alone, under a new title, has no number.
ALTER TABLE privacy_suppressions DROP CONSTRAINT privacy_suppressions_kind_check;
ALTER TABLE privacy_suppressions ADD CONSTRAINT privacy_suppressions_kind_check
    CHECK (kind IN ('contact', 'phone', 'file', 'chat', 'identity', 'session', 'name'));
COMMENT ON COLUMN privacy_suppressions.kind IS
    'contact (ERP id), phone (key as in contact_phones), file (path and chat number), chat (chat_key), identity (canonical name in webhooks), session (start of a session of an erased chat), name (words of a full name)';

-- A text of a decision with the number of an erased person in it: the number may be taken out, nothing else.
CREATE FUNCTION is_redaction(old text, new text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN old IS NOT DISTINCT FROM new OR (
    new LIKE '%[apagado]%'
    AND old LIKE replace(replace(replace(replace(new, '\', '\\'), '%', '\%'), '_', '\_'), '[apagado]', '%'));
COMMENT ON FUNCTION is_redaction(text, text) IS
    'Whether the second text is the first with parts replaced by [apagado], as the erasure of a person does';

CREATE OR REPLACE FUNCTION link_overrides_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    state CONSTANT text[] := '{removed_at,removed_by,removed_reason,superseded_by}';
    person CONSTANT text[] := '{target_kind,target,chat_number,reason,removed_at,removed_by,removed_reason}';
    texts CONSTANT text[] := '{target,reason,removed_reason}';
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
    -- The erasure of a person takes them out of the decisions about them,
    IF (NEW.target_kind, NEW.target, NEW.reason, NEW.removed_reason)
            = ('title', 'erased:' || OLD.id, 'erased', 'erased')
            AND NEW.chat_number IS NULL
            AND NEW.removed_at = coalesce(OLD.removed_at, NEW.removed_at)
            AND NEW.removed_by = coalesce(OLD.removed_by, NEW.removed_by)
            AND (to_jsonb(NEW) - person) = (to_jsonb(OLD) - person) THEN
        RETURN NEW;
    END IF;
    -- and their number out of decisions about others, which stay in force.
    IF (to_jsonb(NEW) - texts) = (to_jsonb(OLD) - texts)
            AND (OLD.target_kind = 'title' OR NEW.target = OLD.target)
            AND is_redaction(OLD.target, NEW.target) AND is_redaction(OLD.reason, NEW.reason)
            AND is_redaction(OLD.removed_reason, NEW.removed_reason) THEN
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

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
