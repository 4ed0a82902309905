-- The sessions of a month with their chat's contact and title. A contact that is only proposed makes proposals.
SELECT s.id, s.id_chat_file, s.number, s.started_at::date AS first_day, s.ended_at::date AS last_day,
       s.order_numbers, s.devices, s.stages, coalesce(f.id_contato, m.id_contato) AS id_contato,
       CASE WHEN f.id_contato IS NULL THEN m.confidence ELSE 1 END AS contact_confidence,
       nullif(ltrim(f.reference_os, '0'), '') AS title_number, f.devices AS title_devices
FROM chat_sessions s
JOIN chat_files f ON f.id = s.id_chat_file
LEFT JOIN match_candidates m ON m.id_chat_file = f.id AND m.rank = 1 AND f.match_status = 'proposed'
WHERE f.month = %(month)s AND f.processing_status <> 'vanished'
