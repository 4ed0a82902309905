-- Number and times of the messages of each contact of the part and of staff. The name of a message is "chat:ID" or
-- "webhook:ID".
WITH totals AS (
    SELECT id_contato, count(*) AS messages, count(*) FILTER (WHERE direction = 'from') AS customer,
           count(*) FILTER (WHERE direction = 'to') AS staff,
           min(at) AS first_at, max(at) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq
      FROM work_messages
     GROUP BY id_contato
), types AS (
    SELECT id_contato, jsonb_object_agg(type, n) AS types
      FROM (SELECT id_contato, type, count(*) AS n FROM work_messages GROUP BY id_contato, type) t
     GROUP BY id_contato
), spoken AS MATERIALIZED (
    SELECT id_contato, min(at) AS first_at, max(at) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq,
           max(conversation) AS conversations, max(at) FILTER (WHERE direction = 'to') AS last_staff_at,
           max(at) FILTER (WHERE direction = 'from') AS last_customer_at
      FROM work_talk
     GROUP BY id_contato
)
SELECT c.id_contato, c.input_hash, a.messages, a.customer, a.staff, a.messages - a.customer - a.staff AS other,
       coalesce(s.first_at, a.first_at) AS first_at, coalesce(s.last_at, a.last_at) AS last_at,
       coalesce(s.conversations, 0) AS conversations,
       first_message.source || ':' || first_message.id AS first_ref,
       last_message.source || ':' || last_message.id AS last_ref,
       last_message.direction AS last_direction, coalesce(f.class, 'rare') AS frequency, types.types,
       s.last_staff_at, s.last_customer_at
  FROM work_contacts c
  JOIN totals a USING (id_contato)
  JOIN types USING (id_contato)
  LEFT JOIN spoken s USING (id_contato)
  LEFT JOIN work_frequency f USING (id_contato)
  JOIN work_messages first_message
       ON first_message.id_contato = c.id_contato AND first_message.seq = coalesce(s.first_seq, a.first_seq)
  JOIN work_messages last_message
       ON last_message.id_contato = c.id_contato AND last_message.seq = coalesce(s.last_seq, a.last_seq)
 WHERE c.part = %(part)s
 ORDER BY c.id_contato
