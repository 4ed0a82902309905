-- Listings of the ERP whose stated number of rows is not the number of different rows that they hold.

-- name: examined
SELECT count(*) AS examined FROM erp_passes
WHERE resource = 'contatos' AND status = 'complete'

-- name: failing
SELECT file_path AS listing, detail FROM exceptions
WHERE stage = 'tiny_contacts' AND kind = 'count_differs' ORDER BY file_path
