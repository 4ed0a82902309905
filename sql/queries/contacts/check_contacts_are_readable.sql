-- Items of the ERP that could not be read as a contact.

-- name: examined
SELECT count(*) AS examined FROM contact_sources

-- name: failing
SELECT file_path AS row, kind, left(detail, 120) AS detail FROM exceptions
WHERE stage = 'tiny_contacts' AND severity = 'error' ORDER BY file_path, kind
