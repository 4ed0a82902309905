-- Add leads for numbers that write and that no contact has. A person with several numbers has one lead: a number gets
-- a lead only if no other number of the same conversation wrote before it. keep_one_lead deletes the later ones.
WITH wrote AS (
    SELECT n.*, i.phone_key, i.conversation_id
      FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[])
           AS n (phone_number_id, canonical, wa_id, name, tenant_id, at)
      LEFT JOIN conversation_identities i
        ON i.channel = 'whatsapp' AND i.phone_number_id = n.phone_number_id AND i.value = n.wa_id
), earlier AS (
    UPDATE leads l SET first_message_at = w.at
      FROM wrote w
     WHERE l.phone_number_id = w.phone_number_id AND l.canonical = w.canonical AND w.at < l.first_message_at
), added AS (
INSERT INTO leads (phone_number_id, canonical, wa_id, phone_key, profile_name, tenant_id, first_message_at)
SELECT DISTINCT ON (w.phone_number_id, w.conversation_id)
       w.phone_number_id, w.canonical, w.wa_id, w.phone_key, w.name, w.tenant_id, w.at
  FROM wrote w
 -- The phones of a deleted contact stay until contacts are normalized again, so the contact has to exist too.
 WHERE NOT EXISTS (
           SELECT FROM conversation_identities o
             JOIN contact_phones p ON p.key = o.phone_key
             JOIN contatos k ON k.id = p.id_contato
            WHERE o.conversation_id = w.conversation_id)
   AND NOT EXISTS (
           SELECT FROM conversation_identities o
             JOIN leads l ON l.phone_number_id = o.phone_number_id AND l.canonical = o.canonical
            WHERE o.conversation_id = w.conversation_id AND (l.first_message_at <= w.at OR l.canonical = w.canonical))
 ORDER BY w.phone_number_id, w.conversation_id, w.at, w.canonical
ON CONFLICT (phone_number_id, canonical) DO NOTHING
RETURNING phone_number_id, canonical
)
SELECT DISTINCT w.conversation_id FROM added a JOIN wrote w USING (phone_number_id, canonical)
