-- Bring the month's sessions to the decisions staged in `decided`.
UPDATE chat_sessions s
SET order_match_status = d.status, order_match_method = d.method, order_match_confidence = d.confidence,
    id_ordem_servico = d.target, order_flags = d.flags
FROM decided d
WHERE s.id = d.id
  AND (s.order_match_status, s.order_match_method, s.order_match_confidence, s.id_ordem_servico, s.order_flags)
      IS DISTINCT FROM (d.status, d.method, d.confidence, d.target, d.flags)
