-- The current contact links of %(month)s.
SELECT sum(hashint8extended(hash_record_extended(ROW(
           id, match_status, match_method, match_confidence, id_contato, match_flags), 0), 0))
FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'
