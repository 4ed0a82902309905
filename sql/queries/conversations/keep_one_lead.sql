-- Delete all leads of a person except the lead of the number that wrote first.
DELETE FROM leads l
 USING (SELECT d.id, row_number() OVER (PARTITION BY i.conversation_id ORDER BY d.first_message_at, d.canonical) AS n
          FROM (SELECT DISTINCT phone_number_id, canonical, conversation_id FROM conversation_identities
                 WHERE conversation_id = ANY (%(conversations)s)) i
          JOIN leads d ON d.phone_number_id = i.phone_number_id AND d.canonical = i.canonical) ranked
 WHERE ranked.id = l.id AND ranked.n > 1
