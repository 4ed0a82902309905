-- What linking the staged chats reads: their own rows by content, other tables by the versions of all their rows.
SELECT (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(l, 0)), 0) FROM linking l),
       (SELECT coalesce(sum(hash_record_extended(ROW(f.id, f.file_path, f.chat_number), 0)), 0)
        FROM linking l JOIN chat_files f USING (id)),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0) FROM contatos t),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0) FROM contact_phones t),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0) FROM ordens_servico t),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(t.ctid, t.xmin), 0)), 0) FROM link_overrides t)
