-- The data by which a person who decides on orders recognises the chats of %(month)s.
SELECT sum(hashint8extended(hash_record_extended(
           ROW(id, file_path, chat_number, title, phone_key), 0), 0))
FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'
