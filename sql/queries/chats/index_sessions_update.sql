-- A session that changed waits for its order again, unless a person decided it.
UPDATE chat_sessions s SET
    started_at = n.started_at, ended_at = n.ended_at, message_count = n.message_count,
    order_numbers = n.order_numbers, devices = n.devices, stages = n.stages,
    order_match_status = CASE s.order_match_status WHEN 'manual' THEN 'manual' ELSE 'pending' END
FROM incoming_sessions n
JOIN chat_files f ON f.file_path = n.file_path AND f.chat_number = n.chat_number
WHERE s.id_chat_file = f.id AND s.number = n.number
  AND (s.started_at, s.ended_at, s.message_count, s.order_numbers, s.devices, s.stages)
      IS DISTINCT FROM (n.started_at, n.ended_at, n.message_count, n.order_numbers, n.devices, n.stages)
