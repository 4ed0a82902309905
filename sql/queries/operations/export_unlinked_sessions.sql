SELECT s.id AS id_chat_session, s.source, s.id_chat_file, s.conversation_id, s.number, s.started_at, s.ended_at,
       s.message_count, s.id_contato, c.nome::text AS nome, s.order_match_status, s.order_match_confidence
  FROM sessions_all s
  LEFT JOIN contatos c ON c.id = s.id_contato
 WHERE s.order_match_status NOT IN ('linked', 'manual')
   AND (%(since)s::timestamp IS NULL OR s.started_at >= %(since)s)
   AND (%(until)s::timestamp IS NULL OR s.started_at < %(until)s)
 ORDER BY s.started_at, s.id
