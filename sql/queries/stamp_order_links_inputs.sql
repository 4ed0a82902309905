-- What linking the staged sessions reads: their own rows by content, other tables by the versions of all rows.
SELECT (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(l, 0)), 0) FROM order_linking l),
       (SELECT coalesce(sum(hash_record_extended(ROW(f.id, f.file_path, f.chat_number, f.title, f.phone_key), 0)), 0)
        FROM chat_files f WHERE f.id IN (SELECT id_chat_file FROM order_linking)),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0) FROM ordens_servico t),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0) FROM link_overrides t)
