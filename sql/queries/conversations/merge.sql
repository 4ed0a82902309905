-- Copy to the conversation %(keep)s, the oldest, the latest time and name of the conversations %(others)s. A link that
-- a person chose for one of them is copied whole, with its method. The link of the oldest such conversation counts.
UPDATE conversations c
   SET last_message_at = greatest(c.last_message_at, o.last_message_at),
       (profile_name, profile_name_at) = (
            SELECT profile_name, profile_name_at FROM conversations
             WHERE id = %(keep)s OR id = ANY(%(others)s)
             ORDER BY profile_name_at DESC NULLS LAST, profile_name DESC LIMIT 1),
       (id_contato, match_status, match_method, match_confidence, match_flags) = (
            SELECT id_contato, match_status, match_method, match_confidence, match_flags FROM conversations
             WHERE id = %(keep)s OR id = ANY(%(others)s)
             ORDER BY match_status = 'manual' DESC, id LIMIT 1),
       sessions_due = true, updated_at = now()
  FROM (SELECT max(last_message_at) AS last_message_at FROM conversations WHERE id = ANY(%(others)s)) o
 WHERE c.id = %(keep)s
