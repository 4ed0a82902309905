-- Forget candidates of the staged chats that no longer stand at their rank.
DELETE FROM match_candidates m USING decided d
WHERE m.id_chat_file = d.id
  AND NOT EXISTS (
      SELECT FROM candidates i WHERE i.id_chat_file = m.id_chat_file AND i.rank = m.rank)
