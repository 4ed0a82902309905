-- The links of the rules in %(months)s, or in all months, by method: how many, their weights, and the verdicts in the
-- order of the draws up to the first link without one. Each method has an order of its own, and so have all together
-- (`method` NULL). Draws are computed for judged links alone; chat_files_draw_idx has the others in order.
WITH judged AS MATERIALIZED (
    SELECT method, verdict, is_in_force, weight, draw FROM rule_links
     WHERE (%(months)s::text[] IS NULL OR month = ANY(%(months)s)) AND verdict IS NOT NULL
), grouped AS (
    SELECT method, count(*) AS links, sum(weight) AS total, min(weight) AS least
      FROM rule_links WHERE %(months)s::text[] IS NULL OR month = ANY(%(months)s)
     GROUP BY GROUPING SETS ((), (method))
)
SELECT g.method, g.links, g.total, g.least,
       coalesce(jsonb_agg(jsonb_build_array(l.weight, l.verdict, l.is_in_force) ORDER BY l.draw)
                FILTER (WHERE l.draw IS NOT NULL), '[]')
  FROM grouped g
  LEFT JOIN LATERAL (
        SELECT link_draw(f.file_path, f.chat_number, f.id_contato, f.match_method, f.match_confidence) AS draw
          FROM chat_files f
         WHERE f.match_status = 'linked' AND f.processing_status <> 'vanished'
           AND (%(months)s::text[] IS NULL OR f.month = ANY(%(months)s))
           AND (g.method IS NULL OR f.match_method = g.method)
           AND link_draw(f.file_path, f.chat_number, f.id_contato, f.match_method, f.match_confidence) <= (SELECT max(draw) FROM judged)
           AND NOT EXISTS (SELECT FROM review_verdicts v
                            WHERE v.id_chat_file = f.id AND v.id_contato = f.id_contato AND v.match_status = 'linked'
                              AND v.withdrawn_at IS NULL)
         ORDER BY link_draw(f.file_path, f.chat_number, f.id_contato, f.match_method, f.match_confidence) LIMIT 1
       ) opened ON true
  LEFT JOIN judged l ON (g.method IS NULL OR l.method = g.method) AND l.draw < coalesce(opened.draw, 'infinity')
 WHERE g.links > 0
 GROUP BY g.method, g.links, g.total, g.least
 ORDER BY g.method NULLS FIRST
