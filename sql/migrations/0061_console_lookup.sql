-- migrate:up

-- People look customers up by part of a name or of a phone. unaccent() is only STABLE, because its dictionary could be
-- replaced; an index needs an IMMUTABLE function, so this one names the dictionary.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE FUNCTION plain_text(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN lower(unaccent('unaccent'::regdictionary, value));
COMMENT ON FUNCTION plain_text(text) IS 'Lower case without accents, as lookups by part of a name compare it';

-- In the user's own tables an index that can't be made is left out: lookups are then slower, and nothing else changes.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('contatos_nome_trgm_idx', 'contatos', 'gin (plain_text(nome::text) gin_trgm_ops)'),
        ('contatos_fantasia_trgm_idx', 'contatos', 'gin (plain_text(fantasia::text) gin_trgm_ops)'),
        ('ordens_servico_recent_idx', 'ordens_servico', '(data_emissao DESC NULLS LAST, id DESC)')
    ) AS v (name, tab, definition) LOOP
        BEGIN
            EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %I USING %s', wanted.name, wanted.tab,
                           CASE WHEN wanted.definition LIKE 'gin %' THEN wanted.definition
                                ELSE 'btree ' || wanted.definition END);
        EXCEPTION WHEN OTHERS THEN
            RAISE NOTICE '%: no index (%)', wanted.name, SQLERRM;
        END;
    END LOOP;
END $$;
CREATE INDEX contact_phones_key_trgm_idx ON contact_phones USING gin (key gin_trgm_ops);

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
