-- migrate:up

-- These functions run with their owner's rights. PostgreSQL looks for tables among the caller's temporary ones first,
-- unless the path names pg_temp: a caller could put a view of that name there and run code as the owner.
DO $$
DECLARE
    path text := current_setting('search_path');
BEGIN
    EXECUTE 'ALTER FUNCTION view_contacts() SET search_path = ' || path || ', pg_temp';
    EXECUTE 'ALTER FUNCTION view_orders() SET search_path = ' || path || ', pg_temp';
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
