-- Replace the sessions of conversations by those in `incoming_sessions`. A session whose evidence changed is linked to
-- an order again, unless a person decided its order. The number of messages is no evidence.
WITH gone AS (
    DELETE FROM chat_sessions s
     WHERE s.id_conversation = ANY (%(conversations)s)
       AND NOT EXISTS (SELECT FROM incoming_sessions n
                        WHERE n.id_conversation = s.id_conversation AND n.number = s.number)
)
INSERT INTO chat_sessions AS s
       (id_conversation, number, started_at, ended_at, message_count, order_numbers, devices, stages)
SELECT id_conversation, number, started_at, ended_at, message_count, order_numbers, devices, stages
  FROM incoming_sessions
ON CONFLICT (id_conversation, number) DO UPDATE SET
    started_at = excluded.started_at, ended_at = excluded.ended_at, message_count = excluded.message_count,
    order_numbers = excluded.order_numbers, devices = excluded.devices, stages = excluded.stages,
    order_match_status = CASE
        WHEN s.order_match_status = 'manual'
             OR (s.started_at, s.ended_at, s.order_numbers, s.devices, s.stages)
                = (excluded.started_at, excluded.ended_at, excluded.order_numbers, excluded.devices, excluded.stages)
        THEN s.order_match_status ELSE 'pending' END
 WHERE (s.started_at, s.ended_at, s.message_count, s.order_numbers, s.devices, s.stages)
       IS DISTINCT FROM (excluded.started_at, excluded.ended_at, excluded.message_count, excluded.order_numbers,
                         excluded.devices, excluded.stages)
