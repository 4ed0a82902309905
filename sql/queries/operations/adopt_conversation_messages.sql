-- A message with an id of WhatsApp keeps it, so that a repeated delivery does not store it twice.
WITH named AS (
    SELECT m.*, c.phone_number_id,
           CASE WHEN json_typeof(m.raw_json) = 'object' THEN nullif(m.raw_json ->> 'id', '') END AS provider_id
    FROM plan_conversation_messages m JOIN conversations c ON c.id = m.conversation_id
    WHERE m.role IN ('user', 'assistant', 'system') AND coalesce(m.text, '') <> ''
)
INSERT INTO conversation_messages (id, conversation_id, role, text, raw_json, created_at, origin, phone_number_id,
                                   provider_id, message_key, sent_at)
OVERRIDING SYSTEM VALUE
SELECT id, conversation_id, role, text, raw_json, coalesce(created_at AT TIME ZONE %(zone)s, now()),
       CASE WHEN role = 'assistant' THEN 'assistant' ELSE 'message' END, phone_number_id, provider_id,
       CASE WHEN provider_id IS NOT NULL
                 AND row_number() OVER (PARTITION BY phone_number_id, provider_id ORDER BY id) = 1
            THEN provider_id ELSE 'adopted:' || id END,
       coalesce(created_at AT TIME ZONE %(zone)s, now())
FROM named
