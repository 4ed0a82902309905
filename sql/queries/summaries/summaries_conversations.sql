-- One row a conversation of the batch's contacts; rows that say the same are left alone.
INSERT INTO customer_conversations AS kept (
    id_contato, number, started_at, ended_at, opened_by, last_speaker, message_count, customer_messages,
    staff_messages, first_response_s, first_response_business_s, sentiment_score, sentiment, topics,
    id_ordem_servico, resolved_at)
WITH talk AS (
    SELECT id_contato, conversation, seq, at, direction, opens, opinion, score, weight,
           min(at) FILTER (WHERE direction = 'to') OVER (
               PARTITION BY id_contato ORDER BY seq DESC ROWS UNBOUNDED PRECEDING) AS next_staff_at
      FROM work_talk
), grouped AS (
    SELECT id_contato, conversation, min(at) AS started_at, max(at) AS ended_at,
           min(direction) FILTER (WHERE opens) AS opened_by, min(next_staff_at) FILTER (WHERE opens) AS answered_at,
           coalesce(max(seq) FILTER (WHERE direction = 'from'), 0) AS last_customer_seq,
           coalesce(max(seq) FILTER (WHERE direction = 'to'), 0) AS last_staff_seq, count(*) AS messages,
           count(*) FILTER (WHERE direction = 'from') AS customer, count(*) FILTER (WHERE direction = 'to') AS staff,
           round(sum(score * weight) FILTER (WHERE opinion) / (sum(weight) FILTER (WHERE opinion) + 0.5), 3) AS score
      FROM talk
     GROUP BY id_contato, conversation
), topics AS (
    SELECT id_contato, conversation, array_agg(topic ORDER BY n DESC, topic COLLATE "C") AS topics
      FROM (SELECT id_contato, conversation, topic, count(*) AS n
              FROM work_talk, unnest(topics) AS topic
             WHERE topics IS NOT NULL
             GROUP BY id_contato, conversation, topic) t
     GROUP BY id_contato, conversation
), orders AS (
    SELECT DISTINCT ON (g.id_contato, g.conversation) g.id_contato, g.conversation, o.id,
           CASE WHEN o.situacao::text = '3' THEN o.data_conclusao END AS resolved_at
      FROM grouped g
      JOIN work_sessions s ON s.id_contato = g.id_contato
                          AND s.started_at <= g.ended_at AND s.ended_at >= g.started_at
      JOIN ordens_servico o ON o.id = s.id_ordem_servico
     ORDER BY g.id_contato, g.conversation, s.confidence DESC NULLS LAST, s.started_at DESC, o.id
)
SELECT g.id_contato, g.conversation, g.started_at, g.ended_at,
       CASE g.opened_by WHEN 'from' THEN 'customer' ELSE 'staff' END,
       CASE WHEN g.last_customer_seq > g.last_staff_seq THEN 'customer' ELSE 'staff' END,
       g.messages, g.customer, g.staff, response.seconds, response.business_seconds, g.score,
       CASE WHEN g.score >= %(opinion)s THEN 'positive' WHEN g.score <= -%(opinion)s THEN 'negative' ELSE 'neutral' END,
       coalesce(t.topics, '{}'), o.id, o.resolved_at
  FROM grouped g
  LEFT JOIN topics t ON t.id_contato = g.id_contato AND t.conversation = g.conversation
  LEFT JOIN orders o ON o.id_contato = g.id_contato AND o.conversation = g.conversation
  LEFT JOIN LATERAL (
       SELECT extract(epoch FROM g.answered_at - g.started_at)::bigint AS seconds,
              round(b.seconds_before - a.seconds_before
                  + greatest(0, least(extract(epoch FROM g.answered_at::time), b.closes_s) - b.opens_s)
                  - greatest(0, least(extract(epoch FROM g.started_at::time), a.closes_s) - a.opens_s))::bigint
                  AS business_seconds
         FROM business_days a
         JOIN business_days b ON b.day = g.answered_at::date
        WHERE a.day = g.started_at::date
          AND g.opened_by = 'from' AND g.answered_at - g.started_at <= %(reply_limit)s
  ) response ON true
ON CONFLICT (id_contato, number) DO UPDATE SET
    started_at = excluded.started_at, ended_at = excluded.ended_at, opened_by = excluded.opened_by,
    last_speaker = excluded.last_speaker, message_count = excluded.message_count,
    customer_messages = excluded.customer_messages, staff_messages = excluded.staff_messages,
    first_response_s = excluded.first_response_s,
    first_response_business_s = excluded.first_response_business_s,
    sentiment_score = excluded.sentiment_score, sentiment = excluded.sentiment, topics = excluded.topics,
    id_ordem_servico = excluded.id_ordem_servico, resolved_at = excluded.resolved_at
 WHERE (kept.*) IS DISTINCT FROM (excluded.*)
