-- Every decision in force about a staged chat: on its file or live conversation, its phone or its title. Which of them holds is the domain's.
WITH in_force AS (
    SELECT * FROM link_overrides
    WHERE removed_at IS NULL AND decision IN ('contact', 'no_contact', 'not_contact')
), found AS (
    SELECT l.id AS id_chat_file, o.id AS id_override
    FROM linking l JOIN chat_files f ON f.id = l.id
    JOIN in_force o ON o.target_kind = 'file' AND o.target = f.file_path
        AND coalesce(o.chat_number, f.chat_number) = f.chat_number
    UNION ALL
    SELECT l.id, o.id
    FROM linking l JOIN in_force o ON o.target_kind = 'title' AND o.target = title_key(l.title)
    UNION ALL
    SELECT l.id, o.id
    FROM linking l
    JOIN in_force o ON o.target_kind = 'phone' AND o.target = coalesce(l.phone_key, l.header_keys[1])
    WHERE NOT l.is_group
    UNION
    -- Staged conversations have negative ids.
    SELECT l.id, o.id
    FROM linking l JOIN conversation_identities i ON i.conversation_id = -l.id
    JOIN in_force o ON o.target_kind = 'conversation' AND o.target = i.phone_number_id || '/' || i.canonical
)
SELECT f.id_chat_file, o.id, o.target_kind, o.id_contato, o.reason, o.made_by, o.decision = 'not_contact' AS refuses,
       o.id_contato IS NOT NULL AND NOT EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato) AS is_deleted,
       false AS of_session, o.chat_number IS NOT NULL AS of_chat
FROM found f JOIN link_overrides o ON o.id = f.id_override
ORDER BY f.id_chat_file, o.id
