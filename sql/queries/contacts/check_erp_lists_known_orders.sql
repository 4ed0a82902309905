-- The newest pass over the ERP's orders that ended well, when an earlier pass over the same window of the same
-- source brought more than twice as many.

-- name: examined
SELECT count(*) AS examined FROM order_sources

-- name: failing
SELECT p.cursor_state ->> 'since' AS issued_since, p.items AS listed_now, max(q.items) AS listed_before,
       p.started_at::text AS started_at
FROM (SELECT * FROM erp_passes WHERE resource = 'ordem-servico' AND status = 'complete'
      ORDER BY id DESC LIMIT 1) p
JOIN erp_passes q ON q.resource = p.resource AND q.status = 'complete' AND q.id < p.id
 AND q.cursor_state ->> 'source' = p.cursor_state ->> 'source'
 AND q.cursor_state ->> 'since' IS NOT DISTINCT FROM p.cursor_state ->> 'since'
GROUP BY p.id, p.cursor_state, p.items, p.started_at
HAVING p.items * 2 < max(q.items)
