-- Messages of customer and staff in the batch, with the readings of the rules. Lists without an element are null.
INSERT INTO work_talk (id_contato, seq, ref, at, direction, conversation, opens, size, score, weight, opinion, closes,
                       evidence_start, evidence_end, topics, equipment, parts, problem, urgent, symptoms)
SELECT w.id_contato, w.seq, w.source || ':' || w.id, w.at, w.direction, w.conversation, w.opens, length(w.body),
       r.score, r.weight, w.direction = 'from' AND abs(r.score) >= %(opinion)s AND r.score IS NOT NULL,
       -- A greeting that opens a conversation needs an answer; "não consegui ir, vou amanhã" does not.
       r.closes IS TRUE
           AND (NOT w.opens
                OR jsonb_path_exists(r.commitments, 'strict $[*] ? (@[1] == "customer")') IS TRUE),
       r.evidence_start, r.evidence_end,
       -- Staff who write of complaints are not the ones who complain.
       nullif(CASE WHEN w.direction = 'from' OR NOT r.topics && %(customer_only)s::text[] THEN r.topics
                   ELSE ARRAY(SELECT t FROM unnest(r.topics) AS t WHERE t <> ALL (%(customer_only)s::text[])) END, '{}'),
       CASE WHEN w.direction = 'from' THEN nullif(r.equipment, '{}') END,
       CASE WHEN w.direction = 'from' THEN nullif(r.parts, '{}') END,
       w.direction = 'from' AND r.problem, w.direction = 'from' AND r.urgent,
       CASE WHEN w.direction = 'from' THEN nullif(r.symptoms, '{}') END
  FROM work_messages w
  LEFT JOIN message_readings r USING (text_hash)
 WHERE w.conversation IS NOT NULL
