-- Every decision in force on the order of a staged session: on the session itself, its chat's file, phone or title.
-- The domain decides which of them is in force.
WITH in_force AS (
    SELECT * FROM link_overrides WHERE removed_at IS NULL AND decision IN ('order', 'no_order', 'not_order')
), chats AS (
    SELECT f.id, f.file_path, f.chat_number, f.title, f.is_group,
           coalesce(f.phone_key, (
               SELECT p.key FROM chat_phones p
               WHERE p.id_chat_file = f.id AND p.key IS NOT NULL AND p.kind NOT IN ('lid', 'service')
               ORDER BY p.occurrences DESC, p.raw LIMIT 1)) AS phone
    FROM chat_files f WHERE f.id IN (SELECT id_chat_file FROM order_linking) AND EXISTS (SELECT FROM in_force)
), found AS (
    SELECT c.id AS id_chat_file, o.*
    FROM chats c JOIN in_force o ON o.target_kind = 'file' AND o.target = c.file_path
        AND coalesce(o.chat_number, c.chat_number) = c.chat_number
    UNION ALL
    SELECT c.id, o.* FROM chats c JOIN in_force o ON o.target_kind = 'title' AND o.target = title_key(c.title)
    UNION ALL
    SELECT c.id, o.* FROM chats c JOIN in_force o ON o.target_kind = 'phone' AND o.target = c.phone
    WHERE NOT c.is_group
    UNION
    -- Staged conversations have negative ids.
    SELECT -i.conversation_id, o.*
    FROM conversation_identities i
    JOIN in_force o ON o.target_kind = 'conversation' AND o.target = i.phone_number_id || '/' || i.canonical
        OR o.target_kind = 'phone' AND o.target = i.phone_key
    WHERE EXISTS (SELECT FROM order_linking l WHERE l.id_chat_file = -i.conversation_id)
)
SELECT l.id AS id_session, o.id, o.target_kind, o.id_ordem_servico, o.reason, o.made_by,
       o.decision = 'not_order' AS refuses,
       o.id_ordem_servico IS NOT NULL
           AND NOT EXISTS (SELECT FROM ordens_servico s WHERE s.id = o.id_ordem_servico) AS is_deleted,
       o.session_number IS NOT NULL AS of_session, o.chat_number IS NOT NULL AS of_chat
FROM order_linking l
JOIN found o ON o.id_chat_file = l.id_chat_file AND coalesce(o.session_number, l.number) = l.number
ORDER BY l.id, o.id
