-- Chats of the newest months that have any, and how many of them have a customer. The months are looked up one by one,
-- and the chats of each are counted, in chat_files_coverage_idx alone: it has the same condition.
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
