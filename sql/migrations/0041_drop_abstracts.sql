-- migrate:up
-- A language model's words beside the summary were never written by any run: nothing called the code, and it was
-- deleted. The function is_suppressed was called by a test alone.
ALTER TABLE customer_chat_summaries
    DROP COLUMN IF EXISTS abstract, DROP COLUMN IF EXISTS abstract_claims, DROP COLUMN IF EXISTS abstract_hash;
DROP FUNCTION IF EXISTS is_suppressed(text, text);

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
