-- migrate:up

-- Texts of the ERP with HTML entities were stored as they came (`Casa &amp; Cia`). Their items count as changed once, so
-- that the next pass reads them again.
UPDATE contact_sources s SET item_hash = '' FROM contatos c
 WHERE c.id = s.id_contato AND to_jsonb(c)::text ~ '&(#|[A-Za-z])[A-Za-z0-9]*;';
UPDATE order_sources s SET item_hash = '', detail_hash = NULL FROM ordens_servico o
 WHERE o.id = s.id_ordem_servico AND to_jsonb(o)::text ~ '&(#|[A-Za-z])[A-Za-z0-9]*;';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
