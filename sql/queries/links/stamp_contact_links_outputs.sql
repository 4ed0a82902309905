-- Results of linking the chats of %(month)s, and the models that were used.
SELECT (SELECT sum(hashint8extended(hash_record_extended(ROW(
            id, match_status, match_method, match_confidence, id_contato, match_flags,
            processing_status = 'pending'), 0), 0))
        FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'),
       (SELECT sum(hashint8extended(hash_record_extended(ROW(m.ctid, m.xmin), 0), 0))
        FROM chat_files f JOIN match_candidates m ON m.id_chat_file = f.id
        WHERE f.month = %(month)s AND f.processing_status <> 'vanished'),
       (SELECT max(id) FROM link_models WHERE kind IN ('names', 'phones'))
