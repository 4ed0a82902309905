-- The sessions of the part's contacts that are linked to an order; a chat linked as a whole counts as one.
INSERT INTO work_sessions (id_contato, id_ordem_servico, started_at, ended_at, confidence)
WITH chats AS (
    SELECT f.id, f.id_contato, f.id_ordem_servico, f.first_message_at, f.last_message_at
      FROM work_contacts c
      JOIN chat_files f USING (id_contato)
     WHERE c.part = %(part)s AND f.match_status IN ('linked', 'manual') AND f.duplicate_of IS NULL
)
SELECT f.id_contato, s.id_ordem_servico, s.started_at, s.ended_at, s.order_match_confidence
  FROM chats f
  JOIN chat_sessions s ON s.id_chat_file = f.id
 WHERE s.id_ordem_servico IS NOT NULL AND s.order_match_status IN ('linked', 'manual')
UNION ALL
SELECT f.id_contato, f.id_ordem_servico, f.first_message_at, f.last_message_at, 0
  FROM chats f
 WHERE f.id_ordem_servico IS NOT NULL AND f.first_message_at IS NOT NULL
   AND NOT EXISTS (SELECT FROM chat_sessions s WHERE s.id_chat_file = f.id AND s.id_ordem_servico = f.id_ordem_servico)
