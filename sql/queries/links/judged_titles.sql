-- The titles that people judged, each with the contact or NULL for nobody: what the name model learns from.
WITH in_force AS (
    SELECT * FROM link_overrides o
    WHERE removed_at IS NULL AND (decision = 'no_contact' OR (decision IN ('contact', 'not_contact')
      AND EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato)))
), on_files AS (
    SELECT f.id, f.title, o.decision, o.id_contato
    FROM in_force o JOIN chat_files f
      ON o.target_kind = 'file' AND o.target = f.file_path
     AND coalesce(o.chat_number, f.chat_number) = f.chat_number
    WHERE f.title IS NOT NULL AND NOT f.is_group
)
SELECT target, id_contato FROM in_force WHERE target_kind = 'title' AND decision <> 'not_contact'
UNION
SELECT title, id_contato FROM on_files WHERE decision <> 'not_contact'
UNION
SELECT title, NULL FROM on_files n
WHERE decision = 'not_contact'
  AND NOT EXISTS (SELECT FROM on_files o WHERE o.id = n.id AND o.decision <> 'not_contact')
UNION
SELECT f.title, v.id_contato
FROM review_verdicts v JOIN chat_files f ON f.id = v.id_chat_file
WHERE v.verdict = 'right' AND v.withdrawn_at IS NULL AND v.match_status = 'linked'
  AND f.id_contato = v.id_contato AND f.title IS NOT NULL AND NOT f.is_group
ORDER BY 1, 2
