-- Files linked to another contact than a person decided, or to one that a person refused for them.

-- name: examined
SELECT f.month, count(*) AS examined
FROM link_overrides o JOIN chat_files f ON f.file_path = o.target
WHERE o.removed_at IS NULL AND o.target_kind = 'file' AND o.decision IN ('contact', 'not_contact')
  AND (o.chat_number IS NULL OR o.chat_number = f.chat_number)
  AND f.month = ANY(%(months)s) AND f.processing_status <> 'vanished'
GROUP BY f.month

-- name: failing
WITH about AS (
    SELECT f.month, f.id AS chat, f.title, f.id_contato AS linked, f.match_status, o.*
    FROM link_overrides o JOIN chat_files f ON f.file_path = o.target
    WHERE o.removed_at IS NULL AND o.target_kind = 'file'
      AND o.decision IN ('contact', 'no_contact', 'not_contact')
      AND (o.chat_number IS NULL OR o.chat_number = f.chat_number)
      AND f.month = ANY(%(months)s) AND f.processing_status <> 'vanished'
)
SELECT a.month, a.chat, a.title, a.id AS override, a.decision, a.id_contato AS decided, a.linked
FROM about a
WHERE EXISTS (SELECT FROM contatos c WHERE c.id = a.id_contato)
  AND CASE a.decision
      WHEN 'contact' THEN a.linked IS DISTINCT FROM a.id_contato AND NOT EXISTS (
          SELECT FROM about n  -- refused since, or decided for this one chat of the file
          WHERE n.chat = a.chat AND (
              n.decision = 'not_contact' AND n.id_contato = a.id_contato AND n.id > a.id
              OR n.decision <> 'not_contact' AND n.chat_number IS NOT NULL AND a.chat_number IS NULL))
      WHEN 'not_contact' THEN a.linked = a.id_contato AND a.match_status <> 'manual'
      ELSE false END
ORDER BY a.month, a.chat, a.id
