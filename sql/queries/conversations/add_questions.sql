-- Add questions for those of %(messages)s that need a reply and are not older than %(max_age)s. An edit needs one if
-- the edited message no longer waits for its reply. Messages of the types in %(not_asking)s never need one.
INSERT INTO assistant_replies (trigger_id, next_attempt_at, paused_until)
SELECT m.id, greatest(now(), paused.until), paused.until
  FROM conversation_messages m JOIN conversations c ON c.id = m.conversation_id
 CROSS JOIN (SELECT max(paused_until) AS until FROM assistant_replies WHERE state = 'pending') paused
 WHERE m.id = ANY(%(messages)s) AND m.role = 'user' AND m.origin = 'message' AND NOT c.is_group
   AND m.sent_at > %(now)s::timestamptz - %(max_age)s::interval
   AND (m.type <> ALL(%(not_asking)s)
        OR m.type = 'edit' AND m.new_text IS NOT NULL AND EXISTS (
            SELECT 1 FROM conversation_messages o JOIN assistant_replies r ON r.trigger_id = o.id
             WHERE o.phone_number_id = m.phone_number_id AND o.message_key = m.reply_to_provider_id
               AND o.conversation_id = m.conversation_id AND o.role = 'user'
               AND r.state <> 'pending')
           AND NOT EXISTS (
            SELECT 1 FROM conversation_messages o JOIN assistant_replies r ON r.trigger_id = o.id
             WHERE o.conversation_id = m.conversation_id AND r.state = 'pending'
               AND o.type <> 'edit'))
ON CONFLICT (trigger_id) DO NOTHING
