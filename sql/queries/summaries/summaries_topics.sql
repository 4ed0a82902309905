-- Topics with their share of all mentions, and the equipment and parts that the customer names, each with the message
-- that shows it best.
WITH topic_hits AS MATERIALIZED (
    SELECT t.id_contato, topic, t.ref, t.direction, t.size, t.seq
      FROM work_talk t, unnest(t.topics) AS topic
     WHERE t.topics IS NOT NULL
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
                     ORDER BY n DESC, topic COLLATE "C") AS topics
      FROM topic_shares
      JOIN topic_evidence USING (id_contato, topic)
     GROUP BY id_contato
), term_hits AS (
    SELECT id_contato, 'equipment' AS kind, term, ref, seq FROM work_talk t, unnest(equipment) AS term
     WHERE equipment IS NOT NULL
    UNION ALL
    SELECT id_contato, 'part', term, ref, seq FROM work_talk t, unnest(parts) AS term
     WHERE parts IS NOT NULL
), terms AS (
    SELECT id_contato,
           jsonb_agg(jsonb_build_object('kind', kind, 'name', term, 'messages', n, 'evidence', ref)
                     ORDER BY n DESC, term COLLATE "C") AS terms
      FROM (SELECT id_contato, kind, term, count(*) AS n, (array_agg(ref ORDER BY seq DESC))[1] AS ref
              FROM term_hits GROUP BY id_contato, kind, term) t
     GROUP BY id_contato
)
SELECT id_contato, coalesce(topics.topics, '[]') AS topics, coalesce(terms.terms, '[]') AS terms
  FROM topics
  FULL JOIN terms USING (id_contato)
