-- migrate:up

-- Two columns at the end, from which dashboards compute the same share of linked chats as the console's home. A group is
-- nobody's, a copy is counted where the chat that it is a copy of is, and a chat that a person gave to nobody has no customer.
CREATE OR REPLACE VIEW v_link_quality AS
SELECT month, count(*) AS chats, count(*) FILTER (WHERE match_status IN ('linked', 'manual')) AS linked,
       count(*) FILTER (WHERE match_status = 'manual') AS decided_by_people,
       count(*) FILTER (WHERE match_status = 'proposed') AS proposed,
       count(*) FILTER (WHERE match_status = 'ambiguous') AS ambiguous,
       count(*) FILTER (WHERE match_status = 'unmatched') AS unmatched,
       count(*) FILTER (WHERE match_status = 'group') AS groups,
       count(*) FILTER (WHERE match_status = 'pending') AS pending,
       avg(match_confidence) FILTER (WHERE match_status = 'linked') AS mean_confidence_of_linked,
       sum(sessions)::bigint AS sessions, sum(linked_sessions)::bigint AS linked_sessions,
       count(*) FILTER (WHERE NOT is_group AND NOT is_duplicate) AS customer_chats,
       count(*) FILTER (WHERE NOT is_group AND NOT is_duplicate AND id_contato IS NOT NULL) AS linked_customer_chats
  FROM v_chats
 GROUP BY month;
COMMENT ON COLUMN v_link_quality.linked IS
    'Chats that are settled: they have a customer by evidence, or a person decided whose or nobody''s they are';
COMMENT ON COLUMN v_link_quality.decided_by_people IS 'Chats that a person decided, those of nobody too';
COMMENT ON COLUMN v_link_quality.customer_chats IS 'Chats that are neither a group nor a copy of another chat';
COMMENT ON COLUMN v_link_quality.linked_customer_chats IS 'Those of customer_chats that have a customer';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
