-- The best or newest messages of all customers that hold the words. They are ranked as the index finds them, without
-- their chat, session and contact; those are read for the few that a page shows. The second part has the messages that
-- tie with the last hit of the page before: which of them were shown already, the page's own order decides. OFFSET 0
-- has the server look up each of the few messages by its id.
    SELECT m.*, b.score
      FROM (
        (SELECT source, message_id, score FROM ({matching}) l WHERE {beyond}
          ORDER BY {order} FETCH FIRST (%(limit)s) ROWS WITH TIES)
        UNION ALL
        (SELECT source, message_id, score FROM ({matching}) l WHERE {tied})
      ) b
     CROSS JOIN LATERAL (
        SELECT {columns} FROM messages_all WHERE source = b.source AND message_id = b.message_id OFFSET 0
     ) m
