-- migrate:up

-- Texts of the ERP with HTML entities were stored as they came (`Casa &amp; Cia`). Their items count as changed once, so
-- that the next pass reads them again. Ids are compared as text, because a database of one's own may keep them as text.
UPDATE contact_sources s SET item_hash = '' FROM contatos c
 WHERE c.id::text = s.id_contato::text AND to_jsonb(c)::text ~ '&(#|[A-Za-z])[A-Za-z0-9]*;';
UPDATE order_sources s SET item_hash = '', detail_hash = NULL FROM ordens_servico o
 WHERE o.id::text = s.id_ordem_servico::text AND to_jsonb(o)::text ~ '&(#|[A-Za-z])[A-Za-z0-9]*;';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
