-- migrate:up

-- Erasing a person takes them out of the decisions about them. The guard lets exactly that through, so that who
-- runs the pipeline may erase: switching a trigger off is for the table's owner, and locks everybody else out.
CREATE OR REPLACE FUNCTION link_overrides_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF (NEW.target_kind, NEW.target, NEW.reason, NEW.removed_reason)
            = ('title', 'erased:' || OLD.id, 'erased', 'erased')
            AND NEW.chat_number IS NULL
            AND NEW.removed_at = coalesce(OLD.removed_at, NEW.removed_at)
            AND NEW.removed_by = coalesce(OLD.removed_by, NEW.removed_by)
            AND (to_jsonb(NEW) - '{target_kind,target,chat_number,reason,removed_at,removed_by,removed_reason}'::text[])
                = (to_jsonb(OLD) - '{target_kind,target,chat_number,reason,removed_at,removed_by,removed_reason}'::text[])
            THEN
        RETURN NEW;
    END IF;
    IF OLD.removed_at IS NOT NULL
            OR (to_jsonb(NEW) - '{removed_at,removed_by,removed_reason}'::text[])
                <> (to_jsonb(OLD) - '{removed_at,removed_by,removed_reason}'::text[]) THEN
        RAISE EXCEPTION 'an override is never rewritten: add a new one, which supersedes it';
    END IF;
    RETURN NEW;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
