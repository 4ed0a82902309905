-- Conversations with all that linking asks of a chat. Their ids are negative: no chat has such a one. The title stays
-- empty, because decisions on titles are about names that the shop gave, and a profile's name is the customer's.
CREATE TEMP TABLE linking ON COMMIT DROP AS
WITH phones AS (
    SELECT i.conversation_id, i.value, i.phone_key,
           row_number() OVER (PARTITION BY i.conversation_id
                              ORDER BY i.value = c.external_id DESC, i.replaced_at NULLS FIRST, i.value) AS place
      FROM conversation_identities i
      JOIN conversations c ON c.id = i.conversation_id
     WHERE i.conversation_id = ANY (%(conversations)s) AND i.phone_key IS NOT NULL
), keys AS (
    SELECT conversation_id, min(phone_key) FILTER (WHERE place = 1) AS phone_key,
           min(value) FILTER (WHERE place = 1) AS value,
           array_agg(phone_key ORDER BY place) FILTER (WHERE place > 1) AS others
      FROM phones GROUP BY conversation_id
), said AS (
    SELECT s.id_conversation, min(s.started_at)::date AS first_day, max(s.ended_at)::date AS last_day,
           array_agg(DISTINCT n.number) FILTER (WHERE n.number IS NOT NULL) AS numbers,
           array_agg(DISTINCT d.device) FILTER (WHERE d.device IS NOT NULL) AS devices
      FROM chat_sessions s
      LEFT JOIN LATERAL unnest(s.order_numbers) AS n(number) ON true
      LEFT JOIN LATERAL unnest(s.devices) AS d(device) ON true
     WHERE s.id_conversation = ANY (%(conversations)s)
     GROUP BY s.id_conversation
)
SELECT -c.id AS id, ''::text AS title, '+' || regexp_replace(k.value, '\D', '', 'g') AS phone_number, k.phone_key,
       NULL::text AS name, NULL::text AS order_reference, '{}'::text[] AS devices, false AS is_group,
       s.first_day, s.last_day, array_remove(coalesce(k.others, '{}'), k.phone_key) AS header_keys,
       coalesce(s.devices, '{}') AS seen_devices, coalesce(s.numbers, '{}') AS order_numbers
  FROM conversations c
  LEFT JOIN keys k ON k.conversation_id = c.id
  LEFT JOIN said s ON s.id_conversation = c.id
 WHERE c.id = ANY (%(conversations)s)
