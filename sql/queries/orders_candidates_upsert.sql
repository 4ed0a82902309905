INSERT INTO order_candidates AS m (id_chat_session, rank, id_ordem_servico, confidence, method, evidence)
SELECT id_chat_session, rank, id_ordem_servico, confidence, method, evidence FROM candidates
ON CONFLICT (id_chat_session, rank) DO UPDATE
SET id_ordem_servico = excluded.id_ordem_servico, confidence = excluded.confidence, method = excluded.method,
    evidence = excluded.evidence
WHERE (m.id_ordem_servico, m.confidence, m.method, m.evidence)
      IS DISTINCT FROM (excluded.id_ordem_servico, excluded.confidence, excluded.method, excluded.evidence)
