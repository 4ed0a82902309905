-- migrate:up

-- The rows of conversation_contact_messages that are not in_archive, for those who want no others: asked this way
-- the planner may join the two sides once, where it must look in_archive up in the chat message by message.
CREATE VIEW conversation_only_messages AS
SELECT m.id AS message_id, m.conversation_id, c.id_contato, c.match_status, c.tenant_id,
       CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END AS direction,
       m.sent_at, m.type, m.text
  FROM conversation_messages m
  JOIN conversations c ON c.id = m.conversation_id
 WHERE NOT c.is_group
   AND NOT EXISTS (
       SELECT 1
         FROM conversation_identities i
         JOIN chat_files f ON f.phone_key = i.phone_key
         JOIN chat_messages a ON a.id_chat_file = f.id
        WHERE i.conversation_id = m.conversation_id
          AND a.direction = CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END
          AND a.message_text = m.text
          AND a.timestamp_utc BETWEEN m.sent_at - interval '2 seconds' AND m.sent_at + interval '2 seconds'
   );
COMMENT ON VIEW conversation_only_messages IS
    'The webhook''s messages that no export holds, as conversation_contact_messages has them';

-- Who reads the one reads the other: the pipeline goes on under its role before anybody runs `grants` again.
DO $$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT DISTINCT a.grantee::regrole::text
          FROM pg_class v, aclexplode(v.relacl) a
         WHERE v.oid = 'conversation_contact_messages'::regclass AND a.privilege_type = 'SELECT'
           AND a.grantee NOT IN (0, v.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON conversation_only_messages TO %s', reader);
    END LOOP;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
