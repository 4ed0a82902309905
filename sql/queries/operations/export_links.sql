SELECT v.*, c.nome::text AS nome
  FROM v_chats v
  LEFT JOIN contatos c ON c.id = v.id_contato
 WHERE (%(months)s::text[] IS NULL OR v.month = ANY(%(months)s))
 ORDER BY v.month, v.id_chat_file
