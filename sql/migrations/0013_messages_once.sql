-- migrate:up

-- A message counts once and as it stands now: what edited or revoked it is no message of its own, and one that was
-- revoked has no text. An export may hold such a message as it was before, or as deleted: that is the same message.
CREATE INDEX conversation_messages_changed_idx ON conversation_messages (conversation_id)
    WHERE edited_at IS NOT NULL OR revoked_at IS NOT NULL;

CREATE OR REPLACE VIEW conversation_contact_messages AS
SELECT m.id AS message_id, m.conversation_id, c.id_contato, c.match_status, c.tenant_id,
       CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END AS direction,
       m.sent_at, CASE WHEN m.revoked_at IS NULL THEN m.type ELSE 'deleted' END AS type,
       CASE WHEN m.revoked_at IS NULL THEN m.text END AS text,
       EXISTS (
           SELECT 1
             FROM conversation_identities i
             JOIN chat_files f ON f.phone_key = i.phone_key
             JOIN chat_messages a ON a.id_chat_file = f.id
            WHERE i.conversation_id = m.conversation_id
              AND a.direction = CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END
              AND (a.message_text IN (m.text, m.original_text) OR a.type = 'deleted' AND m.revoked_at IS NOT NULL)
              AND a.timestamp_utc BETWEEN m.sent_at - interval '2 seconds' AND m.sent_at + interval '2 seconds'
       ) AS in_archive
  FROM conversation_messages m
  JOIN conversations c ON c.id = m.conversation_id
 WHERE NOT c.is_group AND m.type NOT IN ('edit', 'revoke');
COMMENT ON VIEW conversation_contact_messages IS
    'The webhook''s messages, each once as it stands now, and whether an export holds it too';

-- In two parts, since only few were changed: those that were not are joined by their text.
CREATE OR REPLACE VIEW conversation_only_messages AS
SELECT m.id AS message_id, m.conversation_id, c.id_contato, c.match_status, c.tenant_id,
       CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END AS direction,
       m.sent_at, m.type, m.text
  FROM conversation_messages m
  JOIN conversations c ON c.id = m.conversation_id
 WHERE NOT c.is_group AND m.type NOT IN ('edit', 'revoke') AND m.edited_at IS NULL AND m.revoked_at IS NULL
   AND NOT EXISTS (
       SELECT 1
         FROM conversation_identities i
         JOIN chat_files f ON f.phone_key = i.phone_key
         JOIN chat_messages a ON a.id_chat_file = f.id
        WHERE i.conversation_id = m.conversation_id
          AND a.direction = CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END
          AND a.message_text = m.text
          AND a.timestamp_utc BETWEEN m.sent_at - interval '2 seconds' AND m.sent_at + interval '2 seconds'
   )
UNION ALL
SELECT m.id, m.conversation_id, c.id_contato, c.match_status, c.tenant_id,
       CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END,
       m.sent_at, CASE WHEN m.revoked_at IS NULL THEN m.type ELSE 'deleted' END,
       CASE WHEN m.revoked_at IS NULL THEN m.text END
  FROM conversation_messages m
  JOIN conversations c ON c.id = m.conversation_id
 WHERE NOT c.is_group AND m.type NOT IN ('edit', 'revoke') AND (m.edited_at IS NOT NULL OR m.revoked_at IS NOT NULL)
   AND NOT EXISTS (
       SELECT 1
         FROM conversation_identities i
         JOIN chat_files f ON f.phone_key = i.phone_key
         JOIN chat_messages a ON a.id_chat_file = f.id
        WHERE i.conversation_id = m.conversation_id
          AND a.direction = CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END
          AND (a.message_text IN (m.text, m.original_text) OR a.type = 'deleted' AND m.revoked_at IS NOT NULL)
          AND a.timestamp_utc BETWEEN m.sent_at - interval '2 seconds' AND m.sent_at + interval '2 seconds'
   );

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
