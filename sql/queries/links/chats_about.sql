-- The chats `f` that a decision `o` is about, by the rules of ABOUT (store/links/overrides.py). Each kind of target has a
-- branch with an index, where ABOUT would read every chat.
LATERAL (
    SELECT f.* FROM chat_files f
     WHERE o.target_kind = 'file' AND f.file_path = o.target
       AND coalesce(o.chat_number, f.chat_number) = f.chat_number
    UNION ALL
    SELECT f.* FROM chat_files f WHERE o.target_kind = 'title' AND title_key(f.title) = o.target
    UNION ALL
    SELECT f.* FROM chat_files f
     WHERE o.target_kind = 'phone' AND NOT f.is_group AND f.phone_key = o.target
    UNION ALL
    SELECT f.* FROM chat_files f
     WHERE o.target_kind = 'phone' AND NOT f.is_group AND f.phone_key IS NULL
       AND f.id IN (SELECT p.id_chat_file FROM chat_phones p WHERE p.key = o.target)
       AND o.target = (
            SELECT p.key FROM chat_phones p
            WHERE p.id_chat_file = f.id AND p.key IS NOT NULL AND p.kind NOT IN ('lid', 'service')
            ORDER BY p.occurrences DESC, p.raw LIMIT 1)
) f
