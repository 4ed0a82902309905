-- What linking the staged chats wrote, and the model that it asked.
SELECT (SELECT coalesce(sum(hash_record_extended(ROW(
            f.id, f.match_status, f.match_method, f.match_confidence, f.id_contato, f.match_flags,
            f.processing_status = 'pending'), 0)), 0)
        FROM linking l JOIN chat_files f USING (id)),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(m.ctid, m.xmin), 0)), 0)
        FROM linking l JOIN match_candidates m ON m.id_chat_file = l.id),
       (SELECT max(id) FROM link_models WHERE kind = 'names')
