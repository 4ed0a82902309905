-- Set the external id of conversations to the best of all their identities. The order of preference is: not replaced, a
-- phone before a user id, the newest, the longer variant. A notice about a number counts for all variants of it.
UPDATE conversations c SET external_id = best.value, sessions_due = true, updated_at = now()
  FROM (SELECT DISTINCT ON (conversation_id) conversation_id, value
          FROM (SELECT conversation_id, kind, value,
                       max(adopted_at) OVER spelling AS adopted_at, max(replaced_at) OVER spelling AS replaced_at
                  FROM conversation_identities
                 WHERE conversation_id = ANY (%(conversations)s)
                WINDOW spelling AS (PARTITION BY conversation_id, canonical)) i
         ORDER BY conversation_id, coalesce(replaced_at > coalesce(adopted_at, '-infinity'), false),
                  kind = 'user_id', adopted_at DESC NULLS LAST, length(value) DESC, value COLLATE "C") best
 WHERE c.id = best.conversation_id AND c.external_id <> best.value
