-- Of rows with equal channel, account and correspondent the oldest is adopted. Its last message is the last of those
-- that adopt_conversation_messages.sql adopts.
INSERT INTO conversations (id, tenant_id, channel, external_id, phone_number_id, is_active, created_at, updated_at,
                           last_message_at)
OVERRIDING SYSTEM VALUE
SELECT DISTINCT ON (channel, c.phone_number_id, c.external_id) c.id, t.id, coalesce(c.channel, 'whatsapp') AS channel,
       c.external_id, c.phone_number_id, coalesce(c.is_active, true),
       coalesce(c.created_at AT TIME ZONE %(zone)s, now()), coalesce(c.updated_at AT TIME ZONE %(zone)s, now()),
       (SELECT max(m.created_at) AT TIME ZONE %(zone)s FROM plan_conversation_messages m
         WHERE m.conversation_id = c.id AND m.role IN ('user', 'assistant', 'system') AND coalesce(m.text, '') <> '')
FROM plan_conversations c LEFT JOIN tenants t ON t.id = c.tenant_id
WHERE btrim(coalesce(c.external_id, '')) <> '' AND btrim(coalesce(c.phone_number_id, '')) <> ''
ORDER BY channel, c.phone_number_id, c.external_id, c.id
