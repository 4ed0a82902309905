-- The messages of the caller's CTE `picked`, with all fields that a page shows.
SELECT p.is_before, p.source, p.message_id, p.at, p.side, p.origin, p.type, p.text, p.id_contato,
       p.id_chat_session, p.id_ordem_servico, coalesce(p.id_chat_file, p.conversation_id) AS chat,
       CASE WHEN f.is_group THEN coalesce(a.sender_name, a.sender_phone) END AS sender,
       coalesce(a.attachment_kind, CASE WHEN w.revoked_at IS NULL AND w.type IN
           ('image', 'audio', 'video', 'document', 'sticker', 'media_placeholder') THEN w.type END)
           AS attachment_kind,
       a.attachment_name, a.attachment_size,
       CASE WHEN a.attachment_name IS NOT NULL AND a.type <> 'deleted' THEN ARRAY(
           SELECT g.file_path FROM chat_messages b JOIN chat_files g ON g.id = b.id_chat_file
            WHERE b.id = a.id OR b.duplicate_of = a.id ORDER BY g.file_path) END AS attachment_paths,
       CASE WHEN q.revoked_at IS NULL THEN left(coalesce(a.responding_to, q.text), 300) END AS quote,
       CASE WHEN r.id IS NOT NULL THEN 'chat' WHEN q.id IS NOT NULL THEN 'webhook' END AS quote_source,
       coalesce(r.duplicate_of, r.id, q.id) AS quote_id,
       CASE WHEN p.side IN ('to', 'unsent') THEN coalesce(w.status, a.delivery_status) END AS status,
       CASE WHEN w.status = 'failed' THEN (
           SELECT string_agg(DISTINCT s.reason, '; ' ORDER BY s.reason) FROM message_statuses s
            WHERE s.phone_number_id = w.phone_number_id AND s.provider_id = w.message_key
              AND s.status = 'failed') END AS status_reason,
       w.edited_at AT TIME ZONE current_setting('TimeZone') AS edited_at,
       CASE WHEN w.revoked_at IS NULL AND w.edited_at IS NOT NULL THEN w.original_text END AS first_text,
       p.file, p.ordinal
  FROM picked p
  LEFT JOIN chat_messages a ON p.source = 'chat' AND a.id = p.message_id
  LEFT JOIN chat_files f ON f.id = p.id_chat_file
  LEFT JOIN chat_messages r ON r.id = a.reply_to_id
  LEFT JOIN conversation_messages w ON p.source = 'webhook' AND w.id = p.message_id
  LEFT JOIN conversation_messages q ON q.phone_number_id = w.phone_number_id
                                   AND q.message_key = w.reply_to_provider_id
 ORDER BY {message_order}
