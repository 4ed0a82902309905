-- The decision in force for each staged chat: its file's, else its title's, else its phone's.
WITH in_force AS (
    SELECT * FROM link_overrides WHERE removed_at IS NULL AND decision IN ('contact', 'no_contact')
), found AS (
    SELECT l.id AS id_chat_file, 1 AS precedence, o.id AS id_override
    FROM linking l JOIN chat_files f ON f.id = l.id
    JOIN in_force o ON o.target_kind = 'file' AND o.target = f.file_path
        AND coalesce(o.chat_number, f.chat_number) = f.chat_number
    UNION ALL
    SELECT l.id, 2, o.id
    FROM linking l
    JOIN in_force o ON o.target_kind = 'title'
        AND o.target = title_key(l.title)
    UNION ALL
    SELECT l.id, 3, o.id
    FROM linking l
    JOIN in_force o ON o.target_kind = 'phone' AND o.target = coalesce(l.phone_key, l.header_keys[1])
    WHERE NOT l.is_group
)
SELECT DISTINCT ON (found.id_chat_file) found.id_chat_file, o.id, o.decision, o.id_contato, o.reason, o.made_by,
       o.decision = 'contact' AND NOT EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato) AS contact_gone
FROM found JOIN link_overrides o ON o.id = found.id_override
ORDER BY found.id_chat_file, found.precedence, (o.chat_number IS NULL), o.id DESC
