-- The current case: what the customer wrote of in the 45 days up to their last message, and with which device.
WITH recent AS MATERIALIZED (
    SELECT t.*
      FROM work_talk t
      JOIN (SELECT id_contato, max(at) AS last_at FROM work_talk WHERE direction = 'from' GROUP BY id_contato) l
           USING (id_contato)
     WHERE t.direction = 'from' AND t.at > l.last_at - interval '45 days'
), named AS (
    SELECT id_contato, 'device' AS kind, term, ref, seq FROM recent, unnest(equipment) AS term WHERE equipment IS NOT NULL
    UNION ALL
    SELECT id_contato, 'symptom', term, ref, seq FROM recent, unnest(symptoms) AS term WHERE symptoms IS NOT NULL
    UNION ALL
    SELECT id_contato, 'topic', term, ref, seq FROM recent, unnest(topics) AS term WHERE topics IS NOT NULL
), counted AS (
    SELECT id_contato, kind, term, count(*) AS n, max(seq) AS last_seq, (array_agg(ref ORDER BY seq DESC))[1] AS ref
      FROM named GROUP BY id_contato, kind, term
), urgent AS (
    SELECT DISTINCT ON (id_contato) id_contato, ref FROM recent WHERE urgent ORDER BY id_contato, seq DESC
), terms AS (
    SELECT id_contato,
           jsonb_agg(jsonb_build_object('kind', kind, 'name', term, 'evidence', ref, 'messages', n)
                     ORDER BY n DESC, last_seq DESC, term COLLATE "C") AS case_terms
      FROM counted GROUP BY id_contato
)
SELECT id_contato, t.case_terms, u.ref AS urgent_ref
  FROM terms t
  FULL JOIN urgent u USING (id_contato)
