-- migrate:up

-- The columns of contatos and chat_files that the users' own queries join on mean what those queries expect.

-- celular_normalizado and telefone_normalizado hold the first number of their field, at most its last 11 digits and no
-- country code; the key that matching uses stays in contact_phones. A user's own value holds until its phone changes:
-- what was read and what it gives stands here, so that a value of ours can be told from one of theirs.
ALTER TABLE contact_phone_inputs
    ADD COLUMN celular_hash bytea,
    ADD COLUMN telefone_hash bytea,
    ADD COLUMN celular_digits text,
    ADD COLUMN telefone_digits text;
COMMENT ON COLUMN contact_phone_inputs.celular_hash IS 'Hash of celular as it was read; null when an older release read it';
COMMENT ON COLUMN contact_phone_inputs.telefone_hash IS 'Hash of telefone as it was read; null when an older release read it';
COMMENT ON COLUMN contact_phone_inputs.celular_digits IS '[pii] What celular_normalizado is expected to hold';
COMMENT ON COLUMN contact_phone_inputs.telefone_digits IS '[pii] What telefone_normalizado is expected to hold';
-- What releases before wrote, the key: the next run replaces it.
UPDATE contact_phone_inputs i
SET celular_digits = k.celular, telefone_digits = k.telefone
FROM (
    SELECT id_contato,
           (array_agg(key ORDER BY position) FILTER (WHERE field = 'celular'))[1] AS celular,
           (array_agg(key ORDER BY position) FILTER (WHERE field = 'telefone'))[1] AS telefone
    FROM contact_phones WHERE key IS NOT NULL GROUP BY id_contato
) k
WHERE k.id_contato = i.id_contato;

DO $$
DECLARE
    field text;
BEGIN
    FOREACH field IN ARRAY '{telefone,celular}'::text[] LOOP
        IF (SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute a
            WHERE a.attrelid = 'contatos'::regclass AND a.attname = field || '_normalizado')
           = format('[pii] First number of %s: area code and last eight digits', field) THEN
            EXECUTE format('COMMENT ON COLUMN contatos.%I IS %L', field || '_normalizado',
                           format('[pii] First number of %s: its last 11 digits at most, without country code', field));
        END IF;
    END LOOP;
END $$;

-- An index of the user's own on the same column is enough.
DO $$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        SELECT i.indexrelid, i.indrelid, i.indkey[0] AS leading
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid IN ('contatos'::regclass, 'ordens_servico'::regclass) AND i.indnkeyatts = 1
          AND c.relname IN ('contatos_telefone_normalizado_idx', 'contatos_celular_normalizado_idx',
                            'ordens_servico_id_contato_idx', 'ordens_servico_numero_idx', 'ordens_servico_emissao_idx')
    LOOP
        IF EXISTS (
            SELECT FROM pg_index o JOIN pg_class c ON c.oid = o.indexrelid JOIN pg_am m ON m.oid = c.relam
            WHERE o.indrelid = ours.indrelid AND o.indexrelid <> ours.indexrelid AND o.indkey[0] = ours.leading
              AND m.amname = 'btree' AND o.indisvalid AND o.indpred IS NULL AND o.indexprs IS NULL
        ) THEN
            EXECUTE format('DROP INDEX %s', ours.indexrelid::regclass);
        END IF;
    END LOOP;
END $$;

-- A date is a date, and the time beside it is a column of its own.
ALTER TABLE chat_files ADD COLUMN file_time time;
UPDATE chat_files SET file_time = file_date::time WHERE file_date IS NOT NULL;
ALTER TABLE chat_files ALTER COLUMN file_date TYPE date USING file_date::date;
COMMENT ON COLUMN chat_files.file_date IS 'Day in the file''s name: metadata, no message''s date';
COMMENT ON COLUMN chat_files.file_time IS 'Time of day in the file''s name';
CREATE INDEX chat_files_phone_number_idx ON chat_files (phone_number);

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
