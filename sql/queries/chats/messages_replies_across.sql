-- Messages that may reply to one of another file of their chat: open ones by their index, for few are; and those that
-- reply to another file's already, of chats whose files overlap, where which file is loaded next can change that.
-- Each key and each file is looked up in an index (OFFSET 0): without that the planner, which knows nothing yet of what
-- a batch wrote, reads every message of the table once per batch.
SELECT m.id
FROM unnest(%(keys)s::text[]) AS key
CROSS JOIN LATERAL (
    SELECT f.id, count(*) OVER () AS files FROM chat_files f WHERE f.chat_key = key OFFSET 0
) f
CROSS JOIN LATERAL (
    SELECT m.id FROM chat_messages m
    WHERE m.id_chat_file = f.id AND m.reply_timestamp IS NOT NULL AND m.reply_to_id IS NULL OFFSET 0
) m
WHERE f.files > 1
UNION ALL
SELECT m.id
FROM unnest(%(shared)s::text[]) AS key
CROSS JOIN LATERAL (SELECT f.id FROM chat_files f WHERE f.chat_key = key OFFSET 0) f
CROSS JOIN LATERAL (
    SELECT m.id, m.reply_to_id FROM chat_messages m
    WHERE m.id_chat_file = f.id AND m.reply_timestamp IS NOT NULL AND m.reply_to_id IS NOT NULL OFFSET 0
) m
CROSS JOIN LATERAL (SELECT o.id_chat_file FROM chat_messages o WHERE o.id = m.reply_to_id OFFSET 0) o
WHERE o.id_chat_file <> f.id
