-- What names the chats of %(month)s to a person who decides on their orders.
SELECT count(*) || ':' || coalesce(sum(hash_record_extended(
           ROW(id, file_path, chat_number, title, phone_key), 0)), 0)
FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'
