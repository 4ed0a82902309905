-- Update the latest message time and profile name of each conversation that has new messages.
UPDATE conversations c
   SET last_message_at = greatest(c.last_message_at, n.at),
       profile_name = CASE WHEN n.newer THEN n.name ELSE c.profile_name END,
       profile_name_at = CASE WHEN n.newer THEN n.name_at ELSE c.profile_name_at END,
       -- A new name may come with a stored message. It is evidence for linking the conversation to a contact.
       sessions_due = c.sessions_due OR n.newer AND n.name IS DISTINCT FROM c.profile_name,
       updated_at = now()
  FROM (SELECT u.*, o.last_message_at,
               u.name IS NOT NULL AND (o.profile_name_at IS NULL
                   OR (u.name_at, u.name) > (o.profile_name_at, o.profile_name)) AS newer
          FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::text[])
               AS u (id, at, name_at, name)
          JOIN conversations o ON o.id = u.id) n
 WHERE c.id = n.id AND (n.newer OR n.last_message_at IS NULL OR n.at > n.last_message_at)
