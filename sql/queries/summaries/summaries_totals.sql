-- Number and times of the messages of each contact of the batch and of staff. The name of a message is "chat:ID" or
-- "webhook:ID".
WITH by_type AS (
    SELECT id_contato, type, count(*) AS messages, count(*) FILTER (WHERE direction = 'from') AS customer,
           count(*) FILTER (WHERE direction = 'to') AS staff,
           min(at) AS first_at, max(at) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq,
           min(at) FILTER (WHERE conversation IS NOT NULL) AS first_spoken_at,
           max(at) FILTER (WHERE conversation IS NOT NULL) AS last_spoken_at,
           min(seq) FILTER (WHERE conversation IS NOT NULL) AS first_spoken_seq,
           max(seq) FILTER (WHERE conversation IS NOT NULL) AS last_spoken_seq, max(conversation) AS conversations,
           max(at) FILTER (WHERE direction = 'to') AS last_staff_at,
           max(at) FILTER (WHERE direction = 'from') AS last_customer_at
      FROM work_messages
     GROUP BY id_contato, type
), totals AS (
    SELECT id_contato, jsonb_object_agg(type, messages) AS types, sum(messages)::bigint AS messages,
           sum(customer)::bigint AS customer, sum(staff)::bigint AS staff,
           coalesce(min(first_spoken_at), min(first_at)) AS first_at,
           coalesce(max(last_spoken_at), max(last_at)) AS last_at,
           coalesce(min(first_spoken_seq), min(first_seq)) AS first_seq,
           coalesce(max(last_spoken_seq), max(last_seq)) AS last_seq,
           coalesce(max(conversations), 0) AS conversations, max(last_staff_at) AS last_staff_at,
           max(last_customer_at) AS last_customer_at
      FROM by_type
     GROUP BY id_contato
)
SELECT c.id_contato, c.input_hash, t.messages, t.customer, t.staff, t.messages - t.customer - t.staff AS other,
       t.first_at, t.last_at, t.conversations,
       first_message.source || ':' || first_message.id AS first_ref,
       last_message.source || ':' || last_message.id AS last_ref,
       last_message.direction AS last_direction, coalesce(f.class, 'rare') AS frequency, t.types,
       t.last_staff_at, t.last_customer_at
  FROM work_contacts c
  JOIN totals t USING (id_contato)
  LEFT JOIN work_frequency f USING (id_contato)
  JOIN work_messages first_message ON first_message.id_contato = c.id_contato AND first_message.seq = t.first_seq
  JOIN work_messages last_message ON last_message.id_contato = c.id_contato AND last_message.seq = t.last_seq
 WHERE c.batch = %(batch)s
 ORDER BY c.id_contato
