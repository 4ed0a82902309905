-- The best or newest messages of all customers that hold the words. They are ranked as the index finds them, without
-- their chat, session and contact; those are read for the few that a page shows. The archive and the live messages are
-- cut to a page each: so the server may follow the index over times for the newest, and stop. The last part has the
-- messages that tie with the last hit of the page before: which of them were shown already, the page's own order
-- decides. OFFSET 0 has the server look up each of the few messages by its id. A test holds the hits equal to messages_all.
    SELECT m.*, b.score
      FROM (
        (SELECT source, message_id, score FROM (
            (SELECT * FROM ({chats}) a WHERE {beyond} ORDER BY {order} FETCH FIRST (%(limit)s) ROWS WITH TIES)
            UNION ALL
            (SELECT * FROM ({live}) w WHERE {beyond} ORDER BY {order} FETCH FIRST (%(limit)s) ROWS WITH TIES)
          ) l
          ORDER BY {order} FETCH FIRST (%(limit)s) ROWS WITH TIES)
        UNION ALL
        (SELECT source, message_id, score FROM ({chats}) a WHERE {tied})
        UNION ALL
        (SELECT source, message_id, score FROM ({live}) w WHERE {tied})
      ) b
     CROSS JOIN LATERAL (
        SELECT {columns} FROM messages_all WHERE source = b.source AND message_id = b.message_id OFFSET 0
     ) m
