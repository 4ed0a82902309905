INSERT INTO {candidates} AS m ({owner}, rank, {target}, confidence, method, evidence)
SELECT id, rank, target, confidence, method, evidence FROM candidates
ON CONFLICT ({owner}, rank) DO UPDATE
SET {target} = excluded.{target}, confidence = excluded.confidence, method = excluded.method,
    evidence = excluded.evidence
WHERE (m.{target}, m.confidence, m.method, m.evidence)
      IS DISTINCT FROM (excluded.{target}, excluded.confidence, excluded.method, excluded.evidence)
