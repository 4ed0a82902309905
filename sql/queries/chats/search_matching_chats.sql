-- Messages of the archive that contain the words, by the rules of messages_all but without its joins. The words are part
-- of the condition, so that the planner can use the index over words.
    SELECT 'chat'::text AS source, m.id AS message_id, m.message_timestamp AS at, {score} AS score
      FROM chat_messages m
     WHERE m.search @@ %(query)s::tsquery AND m.message_text IS NOT NULL AND m.duplicate_of IS NULL
       AND {recheck}
       AND m.id_chat_file NOT IN (SELECT id FROM chat_files WHERE duplicate_of IS NOT NULL)
       AND {conditions}
