-- Chats that a decision on their title gives to another contact than the one who has their phone.
-- A decision on the chat's file or phone settles the question.

-- name: examined
SELECT f.month, count(*) AS examined
FROM link_overrides o JOIN chat_files f ON title_key(f.title) = o.target
WHERE o.removed_at IS NULL AND o.target_kind = 'title' AND o.decision IN ('contact', 'no_contact')
  AND f.month = ANY(%(months)s) AND f.processing_status <> 'vanished'
GROUP BY f.month

-- name: failing
WITH titled AS (
    SELECT f.id, f.month, f.title, f.file_path, f.chat_number, f.id_contato AS linked, o.id AS override,
           o.id_contato AS decided,
           coalesce(f.phone_key, (
               SELECT p.key FROM chat_phones p
               WHERE p.id_chat_file = f.id AND p.key IS NOT NULL AND p.kind NOT IN ('lid', 'service')
               ORDER BY p.occurrences DESC, p.raw LIMIT 1)) AS phone
    FROM link_overrides o JOIN chat_files f ON title_key(f.title) = o.target
    WHERE o.removed_at IS NULL AND o.target_kind = 'title' AND o.decision IN ('contact', 'no_contact')
      AND f.month = ANY(%(months)s) AND f.processing_status <> 'vanished' AND NOT f.is_group
), owned AS (
    SELECT t.id, array_agg(DISTINCT p.id_contato ORDER BY p.id_contato) AS owners
    FROM titled t JOIN contact_phones p ON p.key = t.phone AND left(t.phone, 2) <> 'xx'
    WHERE EXISTS (SELECT FROM contatos c WHERE c.id = p.id_contato)
    GROUP BY t.id
)
SELECT t.month, t.id AS chat, t.title, t.override, t.decided, w.owners::text AS phone_of, t.linked
FROM titled t JOIN owned w USING (id)
WHERE (t.decided = ANY(w.owners)) IS NOT TRUE
  AND NOT EXISTS (
      SELECT FROM link_overrides o
      WHERE o.removed_at IS NULL AND o.decision IN ('contact', 'no_contact')
        AND (o.target_kind = 'phone' AND o.target = t.phone
             OR o.target_kind = 'file' AND o.target = t.file_path
                AND coalesce(o.chat_number, t.chat_number) = t.chat_number))
ORDER BY t.month, t.id
