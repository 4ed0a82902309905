-- migrate:up

-- A message that was edited shows its latest text and keeps its first; one that was revoked is marked. What did it
-- stays a row of its own, as it came, so that either may come before the message it speaks of.
ALTER TABLE conversation_messages
    ADD COLUMN new_text      text CHECK (new_text <> ''),
    ADD COLUMN original_text text,
    ADD COLUMN edited_at     timestamptz,
    ADD COLUMN revoked_at    timestamptz;
CREATE INDEX conversation_messages_changes_idx ON conversation_messages (phone_number_id, reply_to_provider_id)
    WHERE type IN ('edit', 'revoke');

-- Those that came before this: an edit reads `[edit: <the new text>]`.
UPDATE conversation_messages SET new_text = substr(text, 8, length(text) - 8)
 WHERE type = 'edit' AND text LIKE '[edit: _%]' AND text <> '[edit: [text]]';
WITH asked AS (
    SELECT phone_number_id, reply_to_provider_id, role,
           (array_agg(new_text ORDER BY sent_at DESC, message_key DESC) FILTER (WHERE new_text IS NOT NULL))[1] AS new_text,
           max(sent_at) FILTER (WHERE new_text IS NOT NULL) AS edited_at,
           min(sent_at) FILTER (WHERE type = 'revoke') AS revoked_at
      FROM conversation_messages
     WHERE type IN ('edit', 'revoke') AND reply_to_provider_id IS NOT NULL
     GROUP BY 1, 2, 3
)
UPDATE conversation_messages m
   SET text = coalesce(a.new_text, m.text), original_text = CASE WHEN a.new_text IS NOT NULL THEN m.text END,
       edited_at = a.edited_at, revoked_at = a.revoked_at
  FROM asked a
 WHERE m.phone_number_id = a.phone_number_id AND m.message_key = a.reply_to_provider_id
   AND m.role = a.role AND m.type NOT IN ('edit', 'revoke')
   AND (a.new_text IS NOT NULL OR a.revoked_at IS NOT NULL);

COMMENT ON COLUMN conversation_messages.text IS
    '[pii] The text, the latest where it was edited; for other types what they read like, as [image: caption]';
COMMENT ON COLUMN conversation_messages.new_text IS '[pii] Of an edit: what the message it speaks of now reads like';
COMMENT ON COLUMN conversation_messages.original_text IS '[pii] The text before the first edit; null when never edited';
COMMENT ON COLUMN conversation_messages.edited_at IS 'When the text shown was written, where it is an edit''s';
COMMENT ON COLUMN conversation_messages.revoked_at IS 'When its author took it back';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
