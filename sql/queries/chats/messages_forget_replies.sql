-- Replies to deleted messages, in any file of the same chats.
UPDATE chat_messages m SET reply_to_id = NULL
FROM chat_files f JOIN chat_files same ON same.id = f.id OR same.chat_key = f.chat_key
WHERE f.id = ANY(%(files)s) AND m.id_chat_file = same.id AND m.reply_to_id = ANY(%(gone)s)
