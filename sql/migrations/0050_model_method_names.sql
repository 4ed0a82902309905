-- migrate:up

-- Sessions that an older release linked by the order model carry `model` whatever decided. They take the plan's names
-- here, by the same rule as new links: evidence is left out, and where the dates alone, or dates and device, give the
-- same status and the same order, nothing else made a difference. Rows of the current release keep their name.
CREATE TEMP TABLE decisive ON COMMIT DROP AS
WITH weighed AS (
    SELECT c.id_chat_session, c.id_ordem_servico, v.method, sum(e.weight) FILTER (WHERE
               v.method = 'model' OR e.name IN ('when', 'small_talk', 'number_unsaid')
               OR v.method = 'equipment_match'
                  AND e.name IN ('device_same', 'device_other', 'device_unknown', 'device_unsaid')) AS score
    FROM order_candidates c
    CROSS JOIN LATERAL jsonb_to_recordset(c.evidence) AS e (name text, weight double precision)
    CROSS JOIN (VALUES ('temporal_match'), ('equipment_match'), ('model')) AS v (method)
    WHERE c.method = 'model'
    GROUP BY 1, 2, 3
), odds AS (
    SELECT *, exp(least(greatest(coalesce(score, 0), -500), 500)) AS odds FROM weighed
), shared AS (
    SELECT *, round((odds / (1 + sum(odds) OVER (PARTITION BY id_chat_session, method)))::numeric, 6) AS share FROM odds
), outcomes AS (
    SELECT id_chat_session, method,
           (array_agg(id_ordem_servico ORDER BY share DESC, id_ordem_servico))[1] AS best_order,
           (array_agg(share ORDER BY share DESC, id_ordem_servico))[1] AS best,
           coalesce((array_agg(share ORDER BY share DESC, id_ordem_servico))[2], 0) AS second
    FROM shared GROUP BY 1, 2
), results AS (
    SELECT id_chat_session, method, best_order,
           CASE WHEN best < 0.2 THEN 'unmatched' WHEN best >= 0.5 AND second < best / 3 THEN 'linked'
                ELSE 'proposed' END AS status
    FROM outcomes
)
SELECT r.id_chat_session, CASE WHEN bool_or(p.method = 'temporal_match') THEN 'temporal_match' ELSE 'equipment_match' END
       AS method
FROM results r JOIN results p USING (id_chat_session, best_order, status)
WHERE r.method = 'model' AND p.method <> 'model'
GROUP BY 1;

UPDATE order_candidates c SET method = d.method
FROM decisive d WHERE d.id_chat_session = c.id_chat_session AND c.method = 'model';

UPDATE chat_sessions s SET order_match_method = d.method
FROM decisive d WHERE d.id_chat_session = s.id AND s.order_match_method = 'model';

-- A chat has the method of its surest session on its order.
UPDATE chat_files f SET order_match_method = s.order_match_method
FROM (SELECT DISTINCT ON (id_chat_file) id_chat_file, id_ordem_servico, order_match_method
      FROM chat_sessions WHERE id_chat_file IS NOT NULL AND id_ordem_servico IS NOT NULL
      ORDER BY id_chat_file, order_match_confidence DESC NULLS LAST, id) s
WHERE s.id_chat_file = f.id AND s.id_ordem_servico = f.id_ordem_servico AND f.order_match_method = 'model'
  AND s.order_match_method IN ('temporal_match', 'equipment_match');

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
