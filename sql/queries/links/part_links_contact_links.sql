-- The current contact links of %(month)s.
SELECT sum(hash_record_extended(ROW(
           id, match_status, match_method, match_confidence, id_contato, match_flags), 0))
FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'
