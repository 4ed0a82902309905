-- Bring conversations to the decisions staged in `decided`; one that is right already is not touched.
UPDATE conversations c
SET match_status = d.status, match_method = d.method, match_confidence = d.confidence, id_contato = d.target,
    match_flags = d.flags, updated_at = now()
FROM decided d
WHERE c.id = d.id
  AND (c.match_status, c.match_method, c.match_confidence, c.id_contato, c.match_flags)
      IS DISTINCT FROM (d.status, d.method, d.confidence, d.target, d.flags)
