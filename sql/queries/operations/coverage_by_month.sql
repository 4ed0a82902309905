-- Number of chats of the newest months that have chats, and of those with a customer. The query looks up one month at a
-- time and counts its chats in chat_files_coverage_idx alone, which has the same condition.
WITH RECURSIVE newest (month, number) AS (
    (SELECT month, 1 FROM chat_files
      WHERE NOT is_group AND duplicate_of IS NULL AND processing_status <> 'vanished'
      ORDER BY month DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT f.month FROM chat_files f
             WHERE f.month < n.month AND NOT f.is_group AND f.duplicate_of IS NULL
               AND f.processing_status <> 'vanished'
             ORDER BY f.month DESC LIMIT 1), n.number + 1
      FROM newest n WHERE n.month IS NOT NULL AND n.number < %s
)
SELECT n.month, counted.chats, counted.linked
  FROM newest n
 CROSS JOIN LATERAL (
       SELECT count(*) AS chats,
              count(*) FILTER (WHERE f.match_status IN ('linked', 'manual') AND f.id_contato IS NOT NULL) AS linked
         FROM chat_files f
        WHERE f.month = n.month AND NOT f.is_group AND f.duplicate_of IS NULL
          AND f.processing_status <> 'vanished'
       ) counted
 WHERE n.month IS NOT NULL
 ORDER BY n.month DESC
