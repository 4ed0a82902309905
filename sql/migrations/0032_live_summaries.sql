-- migrate:up

-- When what was said in a conversation, or whose it is, changed; and when and for whom it was summarised last. A sensor
-- asks for new summaries of the contacts between the two.
ALTER TABLE conversations
    ADD COLUMN changed_at         timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN summarized_at      timestamptz,
    ADD COLUMN summarized_contact bigint;
COMMENT ON COLUMN conversations.changed_at IS 'When its messages or its contact changed last';
COMMENT ON COLUMN conversations.summarized_at IS 'Start of the summary run that read it last';
COMMENT ON COLUMN conversations.summarized_contact IS 'The contact in whose summary it is; null: nobody''s';

CREATE OR REPLACE FUNCTION conversation_messages_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations SET sessions_due = true, changed_at = clock_timestamp()
     WHERE id IN (SELECT conversation_id FROM changed);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION conversation_messages_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations SET sessions_due = true, changed_at = clock_timestamp()
     WHERE id IN (SELECT unnest(ARRAY[o.conversation_id, n.conversation_id]) FROM before o JOIN after n USING (id)
                   WHERE (o.conversation_id, o.text, o.type, o.role, o.sent_at, o.status, o.revoked_at)
                         IS DISTINCT FROM
                         (n.conversation_id, n.text, n.type, n.role, n.sent_at, n.status, n.revoked_at));
    RETURN NULL;
END $$;

CREATE FUNCTION conversations_contact_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id_contato, OLD.match_status IN ('linked', 'manual'))
            IS DISTINCT FROM (NEW.id_contato, NEW.match_status IN ('linked', 'manual')) THEN
        NEW.changed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER conversations_contact_changed BEFORE UPDATE OF id_contato, match_status ON conversations
    FOR EACH ROW EXECUTE FUNCTION conversations_contact_changed();

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
