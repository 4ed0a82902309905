-- What linking the staged sessions wrote, in them and in their chats, and the model that it asked.
SELECT (SELECT coalesce(sum(hash_record_extended(ROW(
            s.id, s.order_match_status, s.order_match_method, s.order_match_confidence, s.id_ordem_servico,
            s.order_flags), 0)), 0)
        FROM order_linking l JOIN chat_sessions s USING (id)),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(c.ctid, c.xmin), 0)), 0)
        FROM order_linking l JOIN order_candidates c ON c.id_chat_session = l.id),
       (SELECT coalesce(sum(hash_record_extended(ROW(f.id, f.id_ordem_servico, f.order_match_method), 0)), 0)
        FROM chat_files f WHERE f.id IN (SELECT id_chat_file FROM order_linking)),
       (SELECT max(id) FROM link_models WHERE kind = 'orders')
