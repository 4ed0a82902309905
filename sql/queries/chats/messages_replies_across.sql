-- Messages that may reply to one of another file of their chat: open ones by their index, for few are; and those that
-- reply to another file's already, of chats whose files overlap, where which file is loaded next can change that.
SELECT m.id
FROM chat_files f JOIN chat_messages m ON m.id_chat_file = f.id
WHERE f.chat_key = ANY(%(keys)s) AND m.reply_timestamp IS NOT NULL AND m.reply_to_id IS NULL
  AND EXISTS (SELECT FROM chat_files g WHERE g.chat_key = f.chat_key AND g.id <> f.id)
UNION ALL
SELECT m.id
FROM chat_files f
JOIN chat_messages m ON m.id_chat_file = f.id
JOIN chat_messages o ON o.id = m.reply_to_id
WHERE f.chat_key = ANY(%(shared)s) AND m.reply_timestamp IS NOT NULL AND o.id_chat_file <> f.id
