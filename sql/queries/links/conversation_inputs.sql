-- Those of some conversations whose contact has to be decided: something that their link depends on changed. A contact
-- that alone has the number is found by the number; for all others every contact's name counts, too. A contact that a
-- person set by hand, without a decision on record, stays.
WITH names AS (
    SELECT conversation_id, string_agg(canonical, ',' ORDER BY canonical) AS names
      FROM (SELECT DISTINCT conversation_id, canonical FROM conversation_identities
             WHERE conversation_id = ANY (%(conversations)s)) i
     GROUP BY conversation_id
), hits AS (
    SELECT i.conversation_id, count(DISTINCT k.id) AS contacts,
           string_agg(DISTINCT concat_ws('/', p.id_contato, p.field, p.kind, p.had_ninth_digit, p.key), ',') AS phones
      FROM conversation_identities i
      JOIN contact_phones p ON right(p.key, 8) = right(i.phone_key, 8)  -- also those of an unknown area
      JOIN contatos k ON k.id = p.id_contato  -- its phones may outlive a contact for a while
     WHERE i.conversation_id = ANY (%(conversations)s)
     GROUP BY i.conversation_id
), decisions AS (
    SELECT i.conversation_id, string_agg(DISTINCT o.id::text, ',') AS ids
      FROM link_overrides o
      JOIN conversation_identities i
        ON o.target_kind = 'conversation' AND o.target = i.phone_number_id || '/' || i.canonical
        OR o.target_kind = 'phone' AND o.target = i.phone_key
     WHERE i.conversation_id = ANY (%(conversations)s)
       AND o.removed_at IS NULL AND o.decision IN ('contact', 'no_contact', 'not_contact')
     GROUP BY i.conversation_id
), numbers AS (
    SELECT s.id_conversation, string_agg(DISTINCT concat_ws('/', n.number, o.id, o.id_contato), ',') AS numbers
      FROM chat_sessions s
     CROSS JOIN LATERAL unnest(s.order_numbers) AS n(number)
      LEFT JOIN ordens_servico o ON ltrim(o.numero_ordem_servico::text, '0') = n.number
     WHERE s.id_conversation = ANY (%(conversations)s)
     GROUP BY s.id_conversation
), everybody AS (
    SELECT concat_ws('/', (SELECT count(*) || ':' || sum(hashint8extended(hash_record_extended(ROW(id, nome, fantasia), 0), 0)) FROM contatos),
                     (SELECT max(id) FROM link_models WHERE kind = 'names')) AS contacts,
           (SELECT max(id) FROM link_models WHERE kind = 'phones') AS phone_model
), inputs AS MATERIALIZED (  -- so that all contacts are read once at most
    SELECT c.id,
           md5(concat_ws('|', %(rules)s::text, c.external_id, c.profile_name, a.names, h.phones, d.ids, n.numbers,
                         CASE WHEN h.contacts IS NOT NULL THEN e.phone_model END,
                         CASE WHEN h.contacts = 1 THEN '' ELSE e.contacts END)) AS inputs
      FROM conversations c
     CROSS JOIN everybody e
      LEFT JOIN names a ON a.conversation_id = c.id
      LEFT JOIN hits h ON h.conversation_id = c.id
      LEFT JOIN decisions d ON d.conversation_id = c.id
      LEFT JOIN numbers n ON n.id_conversation = c.id
     WHERE c.id = ANY (%(conversations)s) AND NOT c.is_group
       AND (c.match_status <> 'manual' OR c.match_method = 'override' OR d.ids IS NOT NULL)
)
-- Never wait for a worker that is adding to one of them: it could be waiting for us.
SELECT c.id, i.inputs, coalesce(c.profile_name, '')
  FROM inputs i JOIN conversations c USING (id)
 WHERE c.link_inputs IS DISTINCT FROM i.inputs
 ORDER BY c.id
   FOR UPDATE OF c SKIP LOCKED
