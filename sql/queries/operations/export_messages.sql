SELECT m.source, m.message_id, m.at, m.side, m.origin, m.type, m.text, m.id_contato, c.nome::text AS nome,
       m.id_ordem_servico, o.numero_ordem_servico::text AS numero_ordem_servico, m.id_chat_file, m.conversation_id
  FROM messages_all m
  LEFT JOIN contatos c ON c.id = m.id_contato
  LEFT JOIN ordens_servico o ON o.id = m.id_ordem_servico
 WHERE (%(since)s::timestamp IS NULL OR m.at >= %(since)s) AND (%(until)s::timestamp IS NULL OR m.at < %(until)s)
 ORDER BY {message_order}
