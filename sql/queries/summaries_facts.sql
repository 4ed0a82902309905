-- Everything a summary's sentences are made of, one row a contact of the part. A message is named
-- "chat:ID" or "webhook:ID".
WITH talk AS MATERIALIZED (
    SELECT w.id_contato, w.seq, w.source || ':' || w.id AS ref, w.at, w.direction, w.conversation,
           length(w.body) AS size, r.score, r.weight, r.closes IS TRUE AS closes, r.evidence_start, r.evidence_end,
           r.topics, r.equipment, r.parts,
           w.direction = 'from' AND abs(r.score) >= %(opinion)s AS opinion
      FROM work_messages w
      LEFT JOIN message_readings r USING (text_hash)
     WHERE w.conversation IS NOT NULL
), totals AS (
    SELECT id_contato, count(*) AS messages, count(*) FILTER (WHERE direction = 'from') AS customer,
           count(*) FILTER (WHERE direction = 'to') AS staff,
           min(at) AS first_at, max(at) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq
      FROM work_messages
     GROUP BY id_contato
), types AS (
    SELECT id_contato, jsonb_object_agg(type, n ORDER BY type) AS types
      FROM (SELECT id_contato, type, count(*) AS n FROM work_messages GROUP BY id_contato, type) t
     GROUP BY id_contato
), spoken AS (
    SELECT id_contato, min(at) AS first_at, max(at) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq,
           max(conversation) AS conversations, max(seq) FILTER (WHERE direction = 'to') AS last_staff_seq
      FROM talk
     GROUP BY id_contato
), last_conversation AS (
    SELECT t.id_contato, min(t.at) AS started_at
      FROM talk t
      JOIN spoken s ON s.id_contato = t.id_contato AND s.conversations = t.conversation
     GROUP BY t.id_contato
), moods AS (
    SELECT t.id_contato,
           sum(score * weight) FILTER (WHERE t.at > s.last_at - interval '90 days')
               / (sum(weight) FILTER (WHERE t.at > s.last_at - interval '90 days') + 0.5) AS recent,
           sum(score * weight) FILTER (WHERE t.conversation = s.conversations)
               / (sum(weight) FILTER (WHERE t.conversation = s.conversations) + 0.5) AS last,
           sum(score * weight) FILTER (WHERE t.conversation < s.conversations
                                         AND t.at >= l.started_at - interval '90 days')
               / (sum(weight) FILTER (WHERE t.conversation < s.conversations
                                        AND t.at >= l.started_at - interval '90 days') + 0.5) AS before
      FROM talk t
      JOIN spoken s USING (id_contato)
      JOIN last_conversation l USING (id_contato)
     WHERE t.opinion
     GROUP BY t.id_contato
), mood_evidence AS (
    SELECT DISTINCT ON (t.id_contato) t.id_contato, t.ref, t.evidence_start, t.evidence_end
      FROM talk t
      JOIN spoken s USING (id_contato)
      JOIN moods m USING (id_contato)
     WHERE t.opinion AND t.at > s.last_at - interval '90 days' AND t.score * m.recent > 0
       AND abs(m.recent) >= %(opinion)s
     ORDER BY t.id_contato, abs(t.score * t.weight) DESC, t.seq DESC
), topic_hits AS MATERIALIZED (
    SELECT t.id_contato, topic, t.ref, t.direction, t.size, t.seq
      FROM talk t, unnest(t.topics) AS topic
     WHERE t.direction = 'from' OR topic <> ALL (%(customer_only)s::text[])
), topic_evidence AS (
    SELECT DISTINCT ON (id_contato, topic) id_contato, topic, ref
      FROM topic_hits
     ORDER BY id_contato, topic, direction = 'from' DESC, size BETWEEN 12 AND 240 DESC, seq DESC
), topic_shares AS (
    SELECT id_contato, topic, n, n::numeric / sum(n) OVER (PARTITION BY id_contato) AS share
      FROM (SELECT id_contato, topic, count(*) AS n FROM topic_hits GROUP BY id_contato, topic) t
), topics AS (
    SELECT id_contato,
           jsonb_agg(jsonb_build_object('name', topic, 'messages', n, 'share', round(share, 3), 'evidence', ref)
                     ORDER BY n DESC, topic) AS topics
      FROM topic_shares
      JOIN topic_evidence USING (id_contato, topic)
     GROUP BY id_contato
), term_hits AS (
    SELECT id_contato, 'equipment' AS kind, term, ref, seq FROM talk, unnest(equipment) AS term WHERE direction = 'from'
    UNION ALL
    SELECT id_contato, 'part', term, ref, seq FROM talk, unnest(parts) AS term WHERE direction = 'from'
), terms AS (
    SELECT id_contato,
           jsonb_agg(jsonb_build_object('kind', kind, 'name', term, 'messages', n, 'evidence', ref)
                     ORDER BY n DESC, term) AS terms
      FROM (SELECT id_contato, kind, term, count(*) AS n, (array_agg(ref ORDER BY seq DESC))[1] AS ref
              FROM term_hits GROUP BY id_contato, kind, term) t
     GROUP BY id_contato
), replies AS (
    SELECT id_contato, count(*) AS n,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS median,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY seconds) AS p90,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY business_seconds) AS median_business,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY business_seconds) AS p90_business
      FROM work_replies
     GROUP BY id_contato
), reply_evidence AS (
    -- The very exchange that is the median, and the one that is the p90.
    SELECT DISTINCT ON (w.id_contato, which.name) w.id_contato, which.name,
           jsonb_build_array(asked.ref, answered.ref) AS refs
      FROM work_replies w
      JOIN replies r USING (id_contato)
      CROSS JOIN LATERAL (VALUES ('median', r.median), ('p90', r.p90)) AS which (name, seconds)
      JOIN talk asked ON asked.id_contato = w.id_contato AND asked.seq = w.asked_seq
      JOIN talk answered ON answered.id_contato = w.id_contato AND answered.seq = w.seq
     WHERE w.seconds = which.seconds
     ORDER BY w.id_contato, which.name, w.seq DESC
), first_responses AS (
    SELECT id_contato, count(first_response_s) AS n,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY first_response_s) AS median,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY first_response_s) AS p90,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY first_response_business_s) AS median_business,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY first_response_business_s) AS p90_business
      FROM customer_conversations
     WHERE id_contato IN (SELECT c.id_contato FROM work_contacts c WHERE c.part = %(part)s)
     GROUP BY id_contato
), waiting AS (
    -- What the customer said after the staff's last word, courtesies aside.
    SELECT DISTINCT ON (t.id_contato) t.id_contato, t.at, t.ref
      FROM talk t
      JOIN spoken s USING (id_contato)
     WHERE t.direction = 'from' AND NOT t.closes AND t.seq > coalesce(s.last_staff_seq, 0)
     ORDER BY t.id_contato, t.seq
), linked_orders AS (
    SELECT l.id_contato, o.id, o.numero_ordem_servico, o.situacao, o.equipamento, o.data_emissao, o.data_conclusao,
           o.situacao IN ('0', '1', '2', '5', '6') IS TRUE AS is_open,
           (SELECT t.ref FROM talk t
             WHERE t.id_contato = l.id_contato AND t.at >= l.said_at ORDER BY t.seq LIMIT 1) AS ref
      FROM (SELECT id_contato, id_ordem_servico, max(started_at) AS said_at
              FROM work_sessions GROUP BY id_contato, id_ordem_servico) l
      JOIN ordens_servico o ON o.id = l.id_ordem_servico
), orders AS (
    SELECT id_contato,
           jsonb_agg(jsonb_build_object(
               'id', id, 'number', numero_ordem_servico, 'status', situacao, 'equipment', equipamento,
               'opened', data_emissao, 'closed', data_conclusao, 'evidence', ref,
               'open', is_open)
               ORDER BY data_emissao DESC NULLS LAST, id DESC) AS orders,
           min(data_emissao) FILTER (WHERE is_open) AS open_since
      FROM linked_orders
     GROUP BY id_contato
)
SELECT c.id_contato, c.input_hash, a.messages, a.customer, a.staff, a.messages - a.customer - a.staff AS other,
       coalesce(s.first_at, a.first_at) AS first_at, coalesce(s.last_at, a.last_at) AS last_at,
       coalesce(s.conversations, 0) AS conversations, first_message.ref AS first_ref, last_message.ref AS last_ref,
       last_message.direction AS last_direction, coalesce(f.class, 'rare') AS frequency, types.types,
       coalesce(topics.topics, '[]') AS topics, coalesce(terms.terms, '[]') AS terms,
       m.recent AS mood, m.last AS mood_last, m.before AS mood_before,
       e.ref AS mood_ref, e.evidence_start AS mood_start, e.evidence_end AS mood_end,
       fr.n AS first_responses, fr.median AS first_median, fr.p90 AS first_p90,
       fr.median_business AS first_median_business, fr.p90_business AS first_p90_business,
       rp.n AS replies, rp.median AS reply_median, rp.p90 AS reply_p90,
       rp.median_business AS reply_median_business, rp.p90_business AS reply_p90_business,
       median_exchange.refs AS median_refs, p90_exchange.refs AS p90_refs,
       waiting.at AS waiting_since, waiting.ref AS waiting_ref,
       coalesce(orders.orders, '[]') AS orders, orders.open_since::timestamp AS order_open_since
  FROM work_contacts c
  JOIN totals a USING (id_contato)
  JOIN types USING (id_contato)
  LEFT JOIN spoken s USING (id_contato)
  LEFT JOIN talk first_message ON first_message.id_contato = c.id_contato AND first_message.seq = s.first_seq
  LEFT JOIN talk last_message ON last_message.id_contato = c.id_contato AND last_message.seq = s.last_seq
  LEFT JOIN work_frequency f ON f.id_contato = c.id_contato
  LEFT JOIN moods m ON m.id_contato = c.id_contato
  LEFT JOIN mood_evidence e ON e.id_contato = c.id_contato
  LEFT JOIN topics ON topics.id_contato = c.id_contato
  LEFT JOIN terms ON terms.id_contato = c.id_contato
  LEFT JOIN first_responses fr ON fr.id_contato = c.id_contato
  LEFT JOIN replies rp ON rp.id_contato = c.id_contato
  LEFT JOIN reply_evidence median_exchange ON median_exchange.id_contato = c.id_contato AND median_exchange.name = 'median'
  LEFT JOIN reply_evidence p90_exchange ON p90_exchange.id_contato = c.id_contato AND p90_exchange.name = 'p90'
  LEFT JOIN waiting ON waiting.id_contato = c.id_contato
  LEFT JOIN orders ON orders.id_contato = c.id_contato
 WHERE c.part = %(part)s
 ORDER BY c.id_contato
