-- migrate:up

-- Conversations are linked as chats are: with method, confidence, flags and candidates. link_inputs and order_inputs
-- name what a conversation's links depend on; while they are the same, nothing is decided again.
ALTER TABLE conversations
    ADD COLUMN match_method     text,
    ADD COLUMN match_confidence double precision CHECK (match_confidence BETWEEN 0 AND 1),
    ADD COLUMN match_flags      text[] NOT NULL DEFAULT '{}',
    ADD COLUMN link_inputs      text,
    ADD COLUMN order_inputs     text,
    ADD COLUMN sessions_due     boolean NOT NULL DEFAULT true,
    DROP CONSTRAINT conversations_match_status_check,
    ADD CONSTRAINT conversations_match_status_check
        CHECK (match_status IN ('pending', 'unmatched', 'linked', 'proposed', 'ambiguous', 'manual', 'group'));
CREATE INDEX conversations_sessions_due_idx ON conversations (id) WHERE sessions_due;
COMMENT ON COLUMN conversations.match_status IS
    'Whose conversation it is: linked, proposed, ambiguous, unmatched; manual: a person decided';
COMMENT ON COLUMN conversations.match_method IS 'The evidence that made the difference; override: a decision in link_overrides';
COMMENT ON COLUMN conversations.match_confidence IS 'Posterior of the contact among the candidates and none of them';
COMMENT ON COLUMN conversations.match_flags IS 'What a reviewer should know of the link';
COMMENT ON COLUMN conversations.link_inputs IS 'What the contact link depended on when it was decided';
COMMENT ON COLUMN conversations.order_inputs IS 'What the order links of its sessions depended on when they were decided';
COMMENT ON COLUMN conversations.sessions_due IS 'Whether messages changed since its sessions were made';

CREATE TABLE conversation_candidates (
    id_conversation  bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
    rank             smallint NOT NULL CHECK (rank >= 1),
    id_contato       bigint NOT NULL,
    confidence       double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    method           text NOT NULL,
    evidence         jsonb NOT NULL,
    PRIMARY KEY (id_conversation, rank)
);
CREATE INDEX conversation_candidates_id_contato_idx ON conversation_candidates (id_contato);
SELECT link_to_adopted('conversation_candidates', 'id_contato', 'contatos', 'CASCADE');
COMMENT ON TABLE conversation_candidates IS 'The contacts a live conversation may belong to, best first, and why';
COMMENT ON COLUMN conversation_candidates.id_conversation IS 'The conversation';
COMMENT ON COLUMN conversation_candidates.rank IS 'From 1, the best';
COMMENT ON COLUMN conversation_candidates.id_contato IS 'The contact';
COMMENT ON COLUMN conversation_candidates.confidence IS 'Posterior among its rivals and none of them';
COMMENT ON COLUMN conversation_candidates.method IS 'The evidence that brought the contact';
COMMENT ON COLUMN conversation_candidates.evidence IS 'Reasons: name, value, weight in log-odds, words; weights add up';

CREATE OR REPLACE FUNCTION conversations_link_lost() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- As in chat_files: only the foreign key clears a link and leaves its status as it was.
    IF OLD.id_contato IS NOT NULL AND NEW.id_contato IS NULL AND NEW.match_status = OLD.match_status THEN
        NEW.match_status := 'unmatched';
        NEW.match_method := NULL;
        NEW.match_confidence := NULL;
        NEW.link_inputs := NULL;
    END IF;
    RETURN NEW;
END $$;

-- Whoever adds, changes, moves or deletes live messages makes the sessions of their conversations due. The row lock it
-- takes is what makes a session that is being made at the same moment wait its turn.
CREATE FUNCTION conversation_messages_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations SET sessions_due = true WHERE id IN (SELECT conversation_id FROM changed);
    RETURN NULL;
END $$;
CREATE TRIGGER conversation_messages_added AFTER INSERT ON conversation_messages
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION conversation_messages_added();
CREATE TRIGGER conversation_messages_deleted AFTER DELETE ON conversation_messages
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION conversation_messages_added();
CREATE FUNCTION conversation_messages_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations SET sessions_due = true
     WHERE id IN (SELECT unnest(ARRAY[o.conversation_id, n.conversation_id]) FROM before o JOIN after n USING (id)
                   WHERE (o.conversation_id, o.text, o.type, o.role, o.sent_at, o.status, o.revoked_at)
                         IS DISTINCT FROM
                         (n.conversation_id, n.text, n.type, n.role, n.sent_at, n.status, n.revoked_at));
    RETURN NULL;
END $$;
CREATE TRIGGER conversation_messages_updated AFTER UPDATE ON conversation_messages
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION conversation_messages_updated();

-- A decision may be about one conversation: its target is the account and the correspondent's canonical identity, so
-- that it outlives the row.
ALTER TABLE link_overrides
    DROP CONSTRAINT link_overrides_target_kind_check,
    ADD CONSTRAINT link_overrides_target_kind_check
        CHECK (target_kind IN ('file', 'phone', 'title', 'conversation'));
COMMENT ON COLUMN link_overrides.target IS
    '[pii] A path in the archive, a phone''s key, a title in lower case, or account/identity of a conversation';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
