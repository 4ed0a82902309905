-- Live messages that hold the words, by the rules of messages_all and without its joins.
    SELECT 'webhook'::text AS source, w.message_id, w.local_time AS at, {score} AS score
      FROM conversation_contact_messages w
     WHERE w.search @@ %(query)s::tsquery AND w.text IS NOT NULL AND NOT w.in_archive
       AND {recheck}
       AND {conditions}
