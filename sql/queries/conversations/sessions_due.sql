-- The messages of conversations whose sessions are due. The step splits them into sessions.
SELECT w.conversation_id, w.local_time, w.ordinal, w.direction, coalesce(w.text, '')
  FROM conversation_contact_messages w
 WHERE w.conversation_id = ANY (%(conversations)s) AND w.direction IN ('from', 'to')
 ORDER BY w.conversation_id, w.local_time, w.ordinal
