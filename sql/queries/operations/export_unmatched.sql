SELECT f.id AS id_chat_file, f.month, {title} AS title, {file_path} AS file_path, f.match_status,
       f.match_confidence, f.message_count, f.first_message_at, f.last_message_at, f.match_flags,
       {candidates} AS candidates
  FROM chat_files f
 WHERE f.match_status IN ('unmatched', 'ambiguous', 'proposed')
   AND f.processing_status <> 'vanished'
   AND (%(months)s::text[] IS NULL OR f.month = ANY(%(months)s))
 ORDER BY f.match_confidence DESC NULLS LAST, f.id
