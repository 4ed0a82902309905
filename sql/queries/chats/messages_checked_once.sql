-- Turn triggers off for this transaction, if none of the table's does anything but check the reference to the chat and
-- the number within it, these held chats have no messages yet, and the role may. Returns a row if it did.
SELECT set_config('session_replication_role', 'replica', true)
WHERE current_setting('session_replication_role') = 'origin'
  AND has_parameter_privilege('session_replication_role', 'SET')
  AND NOT EXISTS (
      SELECT FROM pg_trigger
      WHERE tgrelid = 'chat_messages'::regclass
        AND tgconstraint NOT IN (
            SELECT oid FROM pg_constraint
            WHERE conrelid = 'chat_messages'::regclass
              AND conname IN ('chat_messages_id_chat_file_fkey', 'chat_messages_id_chat_file_ordinal_key')))
  AND NOT EXISTS (SELECT FROM chat_messages WHERE id_chat_file = ANY(%s))
