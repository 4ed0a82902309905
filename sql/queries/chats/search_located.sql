-- The messages that search_everywhere.sql found. OFFSET 0 has the server look up each of them by its id.
    SELECT m.*, b.score
      FROM unnest(%(sources)s::text[], %(ids)s::bigint[], %(scores)s::float8[]) AS b (source, message_id, score)
     CROSS JOIN LATERAL (
        SELECT {columns} FROM messages_all WHERE source = b.source AND message_id = b.message_id OFFSET 0
     ) m
