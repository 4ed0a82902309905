-- The links of the rules in %(months)s, or in all months: how many, their weights, and the verdicts in the order of the
-- draws up to the first link without one. All together have an order of their own (`method` NULL), and with
-- %(by_method)s each method has one, too. Links are counted in chat_files_rule_links_idx alone, verdicts lead to the judged
-- ones, and chat_files_draw_idx has the others in the order of their draws.
WITH judged AS MATERIALIZED (
    SELECT f.match_method AS method, v.verdict, true AS is_in_force, link_weight(f.match_method, f.match_confidence) AS weight,
           link_draw(f.file_path, f.chat_number, f.id_contato, f.match_method, f.match_confidence) AS draw
      FROM (SELECT DISTINCT ON (id_chat_file, id_contato) id_chat_file, id_contato, verdict FROM review_verdicts
             WHERE match_status = 'linked' AND withdrawn_at IS NULL
             ORDER BY id_chat_file, id_contato, id DESC) v
     CROSS JOIN LATERAL (
           SELECT * FROM chat_files f
            WHERE f.id = v.id_chat_file AND f.id_contato = v.id_contato AND f.match_status = 'linked'
              AND f.processing_status <> 'vanished' AND (%(months)s::text[] IS NULL OR f.month = ANY(%(months)s))
           OFFSET 0) f  -- one look by the key for each verdict: a join would read every chat
    UNION ALL
    SELECT method, verdict, is_in_force, weight, draw FROM rule_links
     WHERE NOT is_linked AND verdict IS NOT NULL AND (%(months)s::text[] IS NULL OR month = ANY(%(months)s))
), counted AS (
    SELECT match_method AS method, match_confidence AS confidence, count(*) AS links FROM chat_files
     WHERE match_status = 'linked' AND processing_status <> 'vanished'
       AND (%(months)s::text[] IS NULL OR month = ANY(%(months)s))
     GROUP BY match_method, match_confidence
    UNION ALL
    SELECT method, confidence, 1 FROM rule_links
     WHERE NOT is_linked AND (%(months)s::text[] IS NULL OR month = ANY(%(months)s))
), grouped AS (
    SELECT method, grouping(method) = 1 AS is_all, sum(links)::bigint AS links,
           sum(links * link_weight(method, confidence)) AS total, min(link_weight(method, confidence)) AS least
      FROM counted GROUP BY GROUPING SETS ((), (method))
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
           AND (g.is_all OR f.match_method = g.method)
           AND link_draw(f.file_path, f.chat_number, f.id_contato, f.match_method, f.match_confidence) <= (SELECT max(draw) FROM judged)
           AND NOT EXISTS (SELECT FROM review_verdicts v
                            WHERE v.id_chat_file = f.id AND v.id_contato = f.id_contato AND v.match_status = 'linked'
                              AND v.withdrawn_at IS NULL)
         ORDER BY link_draw(f.file_path, f.chat_number, f.id_contato, f.match_method, f.match_confidence) LIMIT 1
       ) opened ON true
  LEFT JOIN judged l ON (g.is_all OR l.method = g.method) AND l.draw < coalesce(opened.draw, 'infinity')
 WHERE g.links > 0 AND (g.is_all OR %(by_method)s AND g.method IS NOT NULL)
 GROUP BY g.is_all, g.method, g.links, g.total, g.least
 ORDER BY g.is_all DESC, g.method
