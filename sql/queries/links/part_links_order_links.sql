-- The current order links of %(month)s, of its chats and their sessions.
SELECT (SELECT sum(hashint8extended(hash_record_extended(ROW(id, id_ordem_servico, order_match_method), 0), 0))
        FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'),
       (SELECT sum(hashint8extended(hash_record_extended(ROW(
            s.id, s.order_match_status, s.order_match_method, s.order_match_confidence, s.id_ordem_servico,
            s.order_flags), 0), 0))
        FROM chat_files f JOIN chat_sessions s ON s.id_chat_file = f.id
        WHERE f.month = %(month)s AND f.processing_status <> 'vanished')
