SELECT match_status, coalesce(match_method, 'none'),
       CASE WHEN match_confidence IS NULL THEN ''
            WHEN match_confidence >= 0.99 THEN '0.99-1.00' WHEN match_confidence >= 0.95 THEN '0.95-0.99'
            WHEN match_confidence >= 0.80 THEN '0.80-0.95' WHEN match_confidence >= 0.50 THEN '0.50-0.80'
            ELSE '0.00-0.50' END AS band,
       count(*)
FROM chat_files
WHERE month = %s AND processing_status <> 'vanished'
GROUP BY 1, 2, 3
ORDER BY 1, 4 DESC, 2, 3
