SELECT (SELECT count(*) FROM contatos),
       (SELECT count(DISTINCT id_contato) FROM contact_phones WHERE key IS NOT NULL),
       (SELECT count(DISTINCT id_contato) FROM chat_files WHERE processing_status <> 'vanished'),
       (SELECT count(*) FROM ordens_servico),
       (SELECT count(DISTINCT id_ordem_servico) FROM chat_sessions)
