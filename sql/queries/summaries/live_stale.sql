-- Contacts whose live conversations changed since they were summarised, once they have been quiet for a while: the
-- contact a conversation belongs to, and the one in whose summary it still is.
WITH live AS (
    SELECT id, CASE WHEN match_status IN ('linked', 'manual') THEN id_contato END AS contact, summarized_contact,
           changed_at, summarized_at
      FROM conversations WHERE NOT is_group
), stale AS (
    SELECT * FROM live
     WHERE (summarized_at IS NULL OR changed_at > summarized_at OR summarized_contact IS DISTINCT FROM contact)
       AND changed_at <= now() - %(quiet)s
)
SELECT n.contact, max(s.changed_at)
  FROM stale s CROSS JOIN LATERAL (VALUES (s.contact), (s.summarized_contact)) AS n (contact)
 WHERE n.contact IS NOT NULL
 GROUP BY n.contact
 ORDER BY max(s.changed_at), n.contact
 LIMIT %(limit)s
