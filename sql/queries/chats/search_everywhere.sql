-- Source, id and score of the best or newest messages of all customers that hold the words. They are ranked as the index
-- finds them, without their chat, session and contact, which search_page.sql reads for the few that a page shows. The
-- archive and the live messages are cut to a page each: so the server may follow the index over times for the newest, and
-- stop. `tied` has the messages that tie with the last hit of the page before: which of them were shown already, the
-- page's own order decides. A test holds the hits equal to messages_all.
WITH wanted AS (SELECT %(query)s::tsquery AS query)
(SELECT source, message_id, score FROM (
    ({chats} ORDER BY {order} FETCH FIRST (%(limit)s) ROWS WITH TIES)
    UNION ALL
    ({live} ORDER BY {order} FETCH FIRST (%(limit)s) ROWS WITH TIES)
  ) l
  ORDER BY {order} FETCH FIRST (%(limit)s) ROWS WITH TIES)
{tied}
