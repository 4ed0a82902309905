-- Items of the ERP that could not be read as a service order.

-- name: examined
SELECT count(*) AS examined FROM order_sources

-- name: failing
SELECT file_path AS row, kind, left(detail, 120) AS detail FROM exceptions
WHERE stage = 'tiny_orders' AND severity = 'error' ORDER BY file_path, kind
