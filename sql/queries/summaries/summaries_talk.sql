-- Messages of customer and staff in the part, with the readings of the rules.
INSERT INTO work_talk (id_contato, seq, ref, at, direction, conversation, size, score, weight, opinion, closes,
                       evidence_start, evidence_end, topics, equipment, parts, problem, urgent, symptoms)
SELECT w.id_contato, w.seq, w.source || ':' || w.id, w.at, w.direction, w.conversation, length(w.body),
       r.score, r.weight, w.direction = 'from' AND abs(r.score) >= %(opinion)s AND r.score IS NOT NULL,
       -- A greeting that opens a conversation needs an answer; "não consegui ir, vou amanhã" does not.
       r.closes IS TRUE
           AND (lag(w.conversation) OVER (PARTITION BY w.id_contato ORDER BY w.seq) IS NOT DISTINCT FROM w.conversation
                OR jsonb_path_exists(r.commitments, 'strict $[*] ? (@[1] == "customer")') IS TRUE),
       r.evidence_start, r.evidence_end,
       -- Staff who write of complaints are not the ones who complain.
       CASE WHEN w.direction = 'from' THEN r.topics
            ELSE ARRAY(SELECT t FROM unnest(r.topics) AS t WHERE t <> ALL (%(customer_only)s::text[])) END,
       CASE WHEN w.direction = 'from' THEN r.equipment END, CASE WHEN w.direction = 'from' THEN r.parts END,
       w.direction = 'from' AND r.problem, w.direction = 'from' AND r.urgent,
       CASE WHEN w.direction = 'from' THEN r.symptoms END
  FROM work_messages w
  LEFT JOIN message_readings r USING (text_hash)
 WHERE w.conversation IS NOT NULL
