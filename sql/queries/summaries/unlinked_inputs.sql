-- Chats and live conversations without a customer, with their messages as one hash; the key of a live one is negative.
-- %(live_only)s: only live ones that changed since they were read. Chats of the months %(held)s are left as they are.
-- Those that a person decided are nobody's (work_nobodys) are left out.
INSERT INTO work_unlinked (key, messages, input_hash)
SELECT coalesce(m.id_chat_file, -m.conversation_id), count(*),
       md5(concat_ws('/', %(options)s::text, count(*),
           bit_xor(hash_record_extended(ROW(m.source, m.message_id, m.at, m.side, m.type, m.ordinal, m.body_hash), 0))))
  FROM messages_all m
  LEFT JOIN chat_files f ON f.id = m.id_chat_file
  LEFT JOIN conversations c ON c.id = m.conversation_id
 WHERE m.id_contato IS NULL AND NOT coalesce(f.is_group, c.is_group)
   -- Without this a run of live ones reads every message of the archive: f.id is tested after the join only.
   AND (NOT %(live_only)s OR m.source = 'webhook')
   AND (f.id IS NULL OR NOT %(live_only)s AND f.month <> ALL (%(held)s::text[]))
   AND (c.id IS NULL OR NOT %(live_only)s
        OR NOT EXISTS (SELECT FROM unlinked_chats_read r WHERE r.conversation_id = c.id AND r.read_at >= c.changed_at))
   AND NOT EXISTS (SELECT FROM work_nobodys n WHERE n.key = coalesce(m.id_chat_file, -m.conversation_id))
 GROUP BY 1
