-- What linking reads of contacts, whatever the month: names, and phones as keys.
SELECT (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(ROW(id, nome, fantasia), 0)), 0) FROM contatos),
       (SELECT count(*) || ':' || coalesce(sum(hash_record_extended(
            ROW(id_contato, field, position, key, kind, had_ninth_digit), 0)), 0) FROM contact_phones)
