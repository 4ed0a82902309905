-- The decision in force on the order of each staged session: its own, else its chat's, title's or phone's.
WITH in_force AS (
    SELECT * FROM link_overrides WHERE removed_at IS NULL AND decision IN ('order', 'no_order')
), found AS (
    SELECT l.id AS id_session, 1 AS precedence, o.id AS id_override
    FROM order_linking l JOIN chat_files f ON f.id = l.id_chat_file
    JOIN in_force o ON o.target_kind = 'file' AND o.target = f.file_path
        AND coalesce(o.chat_number, f.chat_number) = f.chat_number
        AND coalesce(o.session_number, l.number) = l.number
    UNION ALL
    SELECT l.id, 2, o.id
    FROM order_linking l JOIN chat_files f ON f.id = l.id_chat_file
    JOIN in_force o ON o.target_kind = 'title'
        AND o.target = title_key(f.title)
        AND coalesce(o.session_number, l.number) = l.number
    UNION ALL
    SELECT l.id, 3, o.id
    FROM order_linking l JOIN chat_files f ON f.id = l.id_chat_file
    JOIN in_force o ON o.target_kind = 'phone' AND o.target = f.phone_key
        AND coalesce(o.session_number, l.number) = l.number
)
SELECT DISTINCT ON (found.id_session) found.id_session, o.id_ordem_servico, o.reason, o.made_by,
       o.decision = 'order'
           AND NOT EXISTS (SELECT FROM ordens_servico s WHERE s.id = o.id_ordem_servico) AS order_gone
FROM found JOIN link_overrides o ON o.id = found.id_override
ORDER BY found.id_session, (o.session_number IS NULL), found.precedence, (o.chat_number IS NULL), o.id DESC
