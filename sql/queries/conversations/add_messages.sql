-- Insert messages. A copy of a stored message completes the stored row. The result does not depend on which copy is
-- processed first: the position is that of the copy that was received first, the content is the richest (media replace
-- a placeholder), the origin is the one closest to live, and the status is the highest.
INSERT INTO conversation_messages AS c
       (conversation_id, role, text, raw_json, origin, type, phone_number_id, provider_id, message_key, provider_time,
        sent_at, inbox_id, position, status, reply_to_provider_id, new_text, sender_id, sender_canonical, sender_name)
SELECT conversation_id, role, text, raw_json::json, origin, type, phone_number_id, provider_id, message_key,
       provider_time, sent_at, inbox_id, position, status, reply_to, new_text, sender_id, sender_canonical, sender_name
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
              %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::integer[], %s::text[], %s::text[],
              %s::text[], %s::text[], %s::text[], %s::text[])
       AS m (conversation_id, role, text, raw_json, origin, type, phone_number_id, provider_id, message_key,
             provider_time, sent_at, inbox_id, position, status, reply_to, new_text, sender_id, sender_canonical,
             sender_name)
ON CONFLICT (phone_number_id, message_key) DO UPDATE SET
    inbox_id = least(c.inbox_id, excluded.inbox_id),
    position = CASE WHEN excluded.inbox_id < c.inbox_id THEN excluded.position ELSE c.position END,
    sent_at = CASE WHEN excluded.inbox_id < c.inbox_id THEN excluded.sent_at ELSE c.sent_at END,
    origin = CASE WHEN message_origin_rank(excluded.origin) < message_origin_rank(c.origin)
                  THEN excluded.origin ELSE c.origin END,
    type = CASE WHEN message_richness(excluded.type) > message_richness(c.type) THEN excluded.type ELSE c.type END,
    role = CASE WHEN message_richness(excluded.type) > message_richness(c.type) THEN excluded.role ELSE c.role END,
    raw_json = CASE WHEN message_richness(excluded.type) > message_richness(c.type)
                    THEN excluded.raw_json ELSE c.raw_json END,
    reply_to_provider_id = CASE WHEN message_richness(excluded.type) > message_richness(c.type)
                                THEN excluded.reply_to_provider_id ELSE c.reply_to_provider_id END,
    -- An edit that was applied to the placeholder keeps deciding the shown text.
    text = CASE WHEN message_richness(excluded.type) > message_richness(c.type) AND c.edited_at IS NULL
                THEN excluded.text ELSE c.text END,
    original_text = CASE WHEN message_richness(excluded.type) > message_richness(c.type) AND c.edited_at IS NOT NULL
                         THEN excluded.text ELSE c.original_text END,
    status = CASE WHEN message_status_rank(excluded.status) > message_status_rank(c.status)
                  THEN excluded.status ELSE c.status END,
    sender_id = coalesce(c.sender_id, excluded.sender_id),
    sender_canonical = coalesce(c.sender_canonical, excluded.sender_canonical),
    sender_name = coalesce(c.sender_name, excluded.sender_name)
 WHERE excluded.inbox_id < c.inbox_id
    OR message_richness(excluded.type) > message_richness(c.type)
    OR message_origin_rank(excluded.origin) < message_origin_rank(c.origin)
    OR message_status_rank(excluded.status) > message_status_rank(c.status)
    OR (c.sender_id IS NULL AND excluded.sender_id IS NOT NULL)
    OR (c.sender_name IS NULL AND excluded.sender_name IS NOT NULL)
RETURNING id, xmax = 0
