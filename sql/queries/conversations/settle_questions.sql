-- Settle the pending questions that need no reply any more: those older than %(max_age)s, those whose message was
-- revoked, and those that a condition in braces settles. Both conditions are in store/conversations/assistant.py.
WITH judged AS (
    SELECT r.trigger_id,
           CASE WHEN m.sent_at <= %(now)s::timestamptz - %(max_age)s::interval THEN 'expired'
                ELSE 'superseded' END AS state,
           CASE WHEN m.sent_at <= %(now)s::timestamptz - %(max_age)s::interval THEN r.reason
                WHEN m.revoked_at IS NOT NULL THEN 'the user took the message back'
                WHEN {answered_by_staff} THEN 'staff has answered'
                ELSE 'the user wrote again' END AS reason
      FROM assistant_replies r JOIN conversation_messages m ON m.id = r.trigger_id
     WHERE r.state = 'pending'
       AND (m.sent_at <= %(now)s::timestamptz - %(max_age)s::interval OR m.revoked_at IS NOT NULL
            OR {asked_again} OR {answered_by_staff}))
UPDATE assistant_replies r
   SET state = j.state, reason = j.reason, lease_until = NULL, updated_at = now()
  FROM judged j WHERE r.trigger_id = j.trigger_id AND r.state = 'pending'
RETURNING r.state
