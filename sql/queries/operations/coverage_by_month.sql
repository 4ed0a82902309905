-- Chats of the newest months that have any, and how many of them have a customer. The months are looked up one by one in
-- the index; the chats are read once.
WITH RECURSIVE newest (month, number) AS (
    (SELECT month, 1 FROM chat_files ORDER BY month DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT f.month FROM chat_files f WHERE f.month < n.month
             ORDER BY f.month DESC LIMIT 1), n.number + 1
      FROM newest n WHERE n.month IS NOT NULL AND n.number < %s
)
SELECT month, count(*) AS chats,
       count(*) FILTER (WHERE match_status IN ('linked', 'manual') AND id_contato IS NOT NULL)
           AS linked
  FROM chat_files
 WHERE NOT is_group AND duplicate_of IS NULL AND processing_status <> 'vanished'
   AND month >= (SELECT min(month) FROM newest)
 GROUP BY month ORDER BY month DESC
