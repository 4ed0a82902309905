-- What summaries take from the links of the chats %(chats)s and of the live conversations %(conversations)s: the customer,
-- the orders of the sessions, and the order of a chat of which no session has it.
SELECT 'chat', f.id, CASE WHEN f.match_status IN ('linked', 'manual') THEN f.id_contato END,
       CASE WHEN NOT EXISTS (SELECT FROM chat_sessions s
                              WHERE s.id_chat_file = f.id AND s.id_ordem_servico = f.id_ordem_servico)
            THEN f.id_ordem_servico END,
       ARRAY(SELECT CASE WHEN s.order_match_status IN ('linked', 'manual') THEN s.id_ordem_servico END
               FROM chat_sessions s WHERE s.id_chat_file = f.id ORDER BY s.number)
  FROM chat_files f WHERE f.id = ANY (%(chats)s)
 UNION ALL
SELECT 'webhook', c.id, CASE WHEN c.match_status IN ('linked', 'manual') THEN c.id_contato END, NULL,
       ARRAY(SELECT CASE WHEN s.order_match_status IN ('linked', 'manual') THEN s.id_ordem_servico END
               FROM chat_sessions s WHERE s.id_conversation = c.id ORDER BY s.number)
  FROM conversations c WHERE c.id = ANY (%(conversations)s)
