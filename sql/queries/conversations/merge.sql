-- Copy to the conversation %(keep)s the latest time and name of the conversations %(others)s, and the contact that a
-- person chose for one of them.
UPDATE conversations c
   SET last_message_at = greatest(c.last_message_at, o.last_message_at),
       (profile_name, profile_name_at) = (
            SELECT profile_name, profile_name_at FROM conversations
             WHERE id = %(keep)s OR id = ANY(%(others)s)
             ORDER BY profile_name_at DESC NULLS LAST, profile_name DESC LIMIT 1),
       id_contato = CASE WHEN c.match_status = 'manual' THEN c.id_contato
                         ELSE coalesce(o.manual, c.id_contato) END,
       match_status = CASE WHEN o.manual IS NULL THEN c.match_status ELSE 'manual' END,
       sessions_due = true, updated_at = now()
  FROM (SELECT max(last_message_at) AS last_message_at,
               max(id_contato) FILTER (WHERE match_status = 'manual') AS manual
          FROM conversations WHERE id = ANY(%(others)s)) o
 WHERE c.id = %(keep)s
