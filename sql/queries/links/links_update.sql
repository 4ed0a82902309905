-- Bring the month's chats to the decisions staged in `decided`; a row that is right already is not touched.
UPDATE chat_files f
SET match_status = d.status, match_method = d.method, match_confidence = d.confidence,
    id_contato = d.target, match_flags = d.flags,
    processing_status = CASE f.processing_status WHEN 'pending' THEN 'linked' ELSE f.processing_status END,
    updated_at = now()
FROM decided d
WHERE f.id = d.id
  AND (f.match_status, f.match_method, f.match_confidence, f.id_contato, f.match_flags,
       f.processing_status = 'pending')
      IS DISTINCT FROM (d.status, d.method, d.confidence, d.target, d.flags, false)
