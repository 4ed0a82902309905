-- Files linked to another contact than a person decided.

-- name: examined
SELECT f.month, count(*) AS examined
FROM link_overrides o JOIN chat_files f ON f.file_path = o.target
WHERE o.removed_at IS NULL AND o.target_kind = 'file' AND o.decision = 'contact'
  AND (o.chat_number IS NULL OR o.chat_number = f.chat_number)
  AND f.month = ANY(%(months)s) AND f.processing_status <> 'vanished'
GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, o.id AS override, o.id_contato AS decided, f.id_contato AS linked
FROM link_overrides o JOIN chat_files f ON f.file_path = o.target
WHERE o.removed_at IS NULL AND o.target_kind = 'file' AND o.decision = 'contact'
  AND (o.chat_number IS NULL OR o.chat_number = f.chat_number)
  AND f.month = ANY(%(months)s) AND f.processing_status <> 'vanished'
  AND f.id_contato IS DISTINCT FROM o.id_contato
  AND EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato)
ORDER BY f.month, f.id
