-- Messages that hold the words, from the archive and live, by the rules of messages_all and without its joins. The words
-- stand in the condition itself, so that the index over words can be used.
    SELECT 'chat'::text AS source, m.id AS message_id, m.message_timestamp AS at, {chat_score} AS score
      FROM chat_messages m
     WHERE m.search @@ %(query)s::tsquery AND m.message_text IS NOT NULL AND m.duplicate_of IS NULL
       AND (%(recheck)s::text IS NULL
            OR plain_text(left(m.message_text, 5000)) ~ %(recheck)s)
       AND m.id_chat_file NOT IN (SELECT id FROM chat_files WHERE duplicate_of IS NOT NULL)
       AND {chat_conditions}
    UNION ALL
    SELECT 'webhook'::text, w.message_id, w.local_time, {live_score}
      FROM conversation_contact_messages w
     WHERE w.search @@ %(query)s::tsquery AND w.text IS NOT NULL AND NOT w.in_archive AND {live_conditions}
       AND (%(recheck)s::text IS NULL
            OR plain_text(left(w.text, 5000)) ~ %(recheck)s)
