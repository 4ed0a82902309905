INSERT INTO match_candidates AS m (id_chat_file, rank, id_contato, confidence, method, evidence)
SELECT id_chat_file, rank, id_contato, confidence, method, evidence FROM candidates
ON CONFLICT (id_chat_file, rank) DO UPDATE
SET id_contato = excluded.id_contato, confidence = excluded.confidence, method = excluded.method,
    evidence = excluded.evidence
WHERE (m.id_contato, m.confidence, m.method, m.evidence)
      IS DISTINCT FROM (excluded.id_contato, excluded.confidence, excluded.method, excluded.evidence)
