-- Store the latest edit of each message and the time when it was revoked. %(accounts)s and %(provider_ids)s name the
-- changed messages pair by pair. Only the author's change counts, so the change must have the role of the message.
WITH asked AS MATERIALIZED (
    SELECT c.phone_number_id, c.reply_to_provider_id, c.role,
           (array_agg(c.new_text ORDER BY c.sent_at DESC, c.message_key DESC)
               FILTER (WHERE c.new_text IS NOT NULL))[1] AS new_text,
           max(c.sent_at) FILTER (WHERE c.new_text IS NOT NULL) AS edited_at,
           min(c.sent_at) FILTER (WHERE c.type = 'revoke') AS revoked_at
      FROM unnest(%(accounts)s::text[], %(provider_ids)s::text[]) AS k (account, provider_id)
      JOIN conversation_messages c
        ON c.phone_number_id = k.account AND c.reply_to_provider_id = k.provider_id
     WHERE c.type IN ('edit', 'revoke')
     GROUP BY 1, 2, 3
)
UPDATE conversation_messages m
   SET text = coalesce(a.new_text, m.text),
       original_text = CASE WHEN a.new_text IS NULL THEN m.original_text
                            ELSE coalesce(m.original_text, m.text) END,
       edited_at = a.edited_at, revoked_at = a.revoked_at
  FROM asked a
 WHERE m.phone_number_id = a.phone_number_id AND m.message_key = a.reply_to_provider_id
   AND m.role = a.role AND m.type NOT IN ('edit', 'revoke')
   AND (m.text, m.edited_at, m.revoked_at)
       IS DISTINCT FROM (coalesce(a.new_text, m.text), a.edited_at, a.revoked_at)
