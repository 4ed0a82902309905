-- Forget candidates of the staged sessions that no longer stand at their rank.
DELETE FROM order_candidates m USING decided_orders d
WHERE m.id_chat_session = d.id
  AND NOT EXISTS (
      SELECT FROM candidates i WHERE i.id_chat_session = m.id_chat_session AND i.rank = m.rank)
