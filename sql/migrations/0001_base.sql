-- migrate:up

-- The user's own tables, created when absent and otherwise only completed: a column that exists is
-- never altered (the adoption report compares types; see store/adoption.py).
CREATE TABLE IF NOT EXISTS contatos (id bigint PRIMARY KEY);
ALTER TABLE contatos
    ADD COLUMN IF NOT EXISTS nome varchar(255),
    ADD COLUMN IF NOT EXISTS codigo varchar(50),
    ADD COLUMN IF NOT EXISTS fantasia varchar(255),
    ADD COLUMN IF NOT EXISTS tipo_pessoa char(1),
    ADD COLUMN IF NOT EXISTS cpf_cnpj varchar(20),
    ADD COLUMN IF NOT EXISTS inscricao_estadual varchar(30),
    ADD COLUMN IF NOT EXISTS rg varchar(20),
    ADD COLUMN IF NOT EXISTS telefone varchar(20),
    ADD COLUMN IF NOT EXISTS celular varchar(20),
    ADD COLUMN IF NOT EXISTS email varchar(255),
    ADD COLUMN IF NOT EXISTS id_endereco integer,
    ADD COLUMN IF NOT EXISTS telefone_normalizado text,
    ADD COLUMN IF NOT EXISTS celular_normalizado text;

CREATE TABLE IF NOT EXISTS ordens_servico (id bigint PRIMARY KEY);
ALTER TABLE ordens_servico
    ADD COLUMN IF NOT EXISTS numero_ordem_servico varchar(50),
    ADD COLUMN IF NOT EXISTS situacao varchar(10),
    ADD COLUMN IF NOT EXISTS data_emissao date,
    ADD COLUMN IF NOT EXISTS data_prevista timestamp,
    ADD COLUMN IF NOT EXISTS data_conclusao date,
    ADD COLUMN IF NOT EXISTS total_servicos numeric(10, 2),
    ADD COLUMN IF NOT EXISTS total_ordem_servico numeric(10, 2),
    ADD COLUMN IF NOT EXISTS total_pecas numeric(10, 2),
    ADD COLUMN IF NOT EXISTS equipamento varchar(255),
    ADD COLUMN IF NOT EXISTS equipamento_serie varchar(255),
    ADD COLUMN IF NOT EXISTS descricao_problema text,
    ADD COLUMN IF NOT EXISTS observacoes text,
    ADD COLUMN IF NOT EXISTS observacoes_internas text,
    ADD COLUMN IF NOT EXISTS orcar char(1),
    ADD COLUMN IF NOT EXISTS orcado char(1),
    ADD COLUMN IF NOT EXISTS alq_comissao numeric,
    ADD COLUMN IF NOT EXISTS vlr_comissao numeric,
    ADD COLUMN IF NOT EXISTS desconto numeric,
    ADD COLUMN IF NOT EXISTS tecnico varchar(255),
    ADD COLUMN IF NOT EXISTS id_contato bigint,
    ADD COLUMN IF NOT EXISTS id_vendedor integer,
    ADD COLUMN IF NOT EXISTS id_categoria_os integer,
    ADD COLUMN IF NOT EXISTS id_forma_pagamento integer,
    ADD COLUMN IF NOT EXISTS data_extracao timestamp,
    ADD COLUMN IF NOT EXISTS linha_dispositivo varchar(50),
    ADD COLUMN IF NOT EXISTS tipo_servico varchar(100),
    ADD COLUMN IF NOT EXISTS origem_cliente varchar(50);

-- Descriptions for the catalog; [pii] marks personal data. A comment of the user's own stays.
DO $$
DECLARE
    described record;
BEGIN
    FOR described IN
        SELECT c.oid::regclass AS tab, a.attname AS col, v.text
        FROM (VALUES
            ('contatos', 'id', 'The ERP''s id of the contact'),
            ('contatos', 'nome', '[pii] Name of the person or company'),
            ('contatos', 'codigo', 'The user''s own code for the contact'),
            ('contatos', 'fantasia', '[pii] Trade name'),
            ('contatos', 'tipo_pessoa', 'J company, F person, E foreigner, X foreigner abroad'),
            ('contatos', 'cpf_cnpj', '[pii] Taxpayer number'),
            ('contatos', 'inscricao_estadual', '[pii] State registration'),
            ('contatos', 'rg', '[pii] Identity card'),
            ('contatos', 'telefone', '[pii] Phone as typed; may hold several numbers'),
            ('contatos', 'celular', '[pii] Mobile as typed; may hold several numbers'),
            ('contatos', 'email', '[pii] E-mail address'),
            ('contatos', 'id_endereco', 'The address, in a table of the user''s own'),
            ('contatos', 'telefone_normalizado', '[pii] First number of telefone: area code and last eight digits'),
            ('contatos', 'celular_normalizado', '[pii] First number of celular: area code and last eight digits'),
            ('ordens_servico', 'id', 'The ERP''s id of the order'),
            ('ordens_servico', 'numero_ordem_servico', 'Number that people use; not unique'),
            ('ordens_servico', 'situacao',
             '0 open, 1 quoted, 2 service done, 3 finished, 4 not approved, 5 approved, 6 in progress, 7 cancelled'),
            ('ordens_servico', 'data_emissao', 'Day the order was opened'),
            ('ordens_servico', 'data_prevista', 'Promised for'),
            ('ordens_servico', 'data_conclusao', 'Day the order was closed'),
            ('ordens_servico', 'total_servicos', 'Services, in reais'),
            ('ordens_servico', 'total_pecas', 'Parts, in reais'),
            ('ordens_servico', 'total_ordem_servico', 'Total, in reais'),
            ('ordens_servico', 'desconto', 'Discount, in reais'),
            ('ordens_servico', 'equipamento', 'The device, as typed'),
            ('ordens_servico', 'equipamento_serie', 'Serial number of the device'),
            ('ordens_servico', 'descricao_problema', '[pii] What the customer says is wrong'),
            ('ordens_servico', 'observacoes', '[pii] Notes for the customer'),
            ('ordens_servico', 'observacoes_internas', '[pii] Notes for the staff'),
            ('ordens_servico', 'orcar', 'Whether a quote is wanted: S or N'),
            ('ordens_servico', 'orcado', 'Whether it was quoted: S or N'),
            ('ordens_servico', 'tecnico', '[pii] Technician'),
            ('ordens_servico', 'id_contato', 'The customer: contatos.id'),
            ('ordens_servico', 'alq_comissao', 'Commission, in percent'),
            ('ordens_servico', 'vlr_comissao', 'Commission, in reais'),
            ('ordens_servico', 'id_vendedor', 'The seller, in a table of the user''s own'),
            ('ordens_servico', 'id_categoria_os', 'The category, in a table of the user''s own'),
            ('ordens_servico', 'id_forma_pagamento', 'The way of payment, in a table of the user''s own'),
            ('ordens_servico', 'linha_dispositivo', 'Line of the device'),
            ('ordens_servico', 'tipo_servico', 'Kind of service'),
            ('ordens_servico', 'origem_cliente', 'How the customer came'),
            ('ordens_servico', 'data_extracao', 'When the row was last written from the ERP')
        ) AS v (tab, col, text)
        JOIN pg_class c ON c.oid = to_regclass(v.tab)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = v.col AND NOT a.attisdropped
        WHERE col_description(c.oid, a.attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', described.tab, described.col, described.text);
    END LOOP;
END $$;

CREATE INDEX IF NOT EXISTS contatos_telefone_normalizado_idx ON contatos (telefone_normalizado);
CREATE INDEX IF NOT EXISTS contatos_celular_normalizado_idx ON contatos (celular_normalizado);
CREATE INDEX IF NOT EXISTS ordens_servico_id_contato_idx ON ordens_servico (id_contato);
CREATE INDEX IF NOT EXISTS ordens_servico_numero_idx ON ordens_servico (numero_ordem_servico);
CREATE INDEX IF NOT EXISTS ordens_servico_emissao_idx ON ordens_servico (data_emissao);

-- A link into one of the user's own tables. A foreign key needs a unique id there; a table that has none is
-- left as it is and the link goes unguarded (the adoption report says so, and how to add both).
CREATE FUNCTION link_to_adopted(child regclass, child_column name, parent regclass, on_delete text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = parent AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indnkeyatts = 1
          AND i.indpred IS NULL AND i.indexprs IS NULL AND a.attname = 'id'
          AND a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
    ) THEN
        RAISE NOTICE '% has no unique integer id: %.% gets no foreign key', parent, child, child_column;
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (id) ON DELETE %s',
                   child, format('%s_%s_fkey', child, child_column), child_column, parent, on_delete);
    RETURN true;
END $$;

-- What the ERP says of a row beyond the user's own columns: its status, when it last changed, a hash
-- that makes an unchanged row cost nothing, and the full text of phones that do not fit their column.
CREATE TABLE contact_sources (
    id_contato        bigint PRIMARY KEY,
    situacao          text,
    data_atualizacao  timestamp,
    telefone          text,
    celular           text,
    item_hash         bytea NOT NULL,
    field_names       text NOT NULL CHECK (field_names IN ('v2', 'v3')),
    truncated         text[] NOT NULL DEFAULT '{}',
    synced_at         timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE order_sources (
    id_ordem_servico  bigint PRIMARY KEY,
    item_hash         bytea NOT NULL,
    detail_hash       bytea,
    truncated         text[] NOT NULL DEFAULT '{}',
    synced_at         timestamptz NOT NULL DEFAULT now()
);

-- One row a pass over an ERP listing; the watermark is that of the last pass that ended well.
CREATE TABLE erp_passes (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource      text NOT NULL CHECK (resource IN ('contatos', 'ordem-servico')),
    scope         text NOT NULL,
    status        text NOT NULL CHECK (status IN ('running', 'complete', 'failed')),
    watermark     timestamp,
    cursor_state  jsonb NOT NULL DEFAULT '{}',
    items         bigint NOT NULL DEFAULT 0,
    expected      bigint,
    started_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz
);
CREATE INDEX erp_passes_resource_idx ON erp_passes (resource, scope, id DESC);
-- The ids that an unfinished pass has seen, by listing and by reading of it; emptied when the pass ends well.
CREATE TABLE erp_pass_items (
    id_pass  bigint NOT NULL REFERENCES erp_passes ON DELETE CASCADE,
    listing  text NOT NULL,
    sweep    integer NOT NULL,
    id_item  bigint NOT NULL,
    PRIMARY KEY (id_pass, listing, sweep, id_item)
);

-- A field can hold several numbers; the two *_normalizado columns of contatos hold the first.
CREATE TABLE contact_phones (
    id_contato       bigint NOT NULL,
    field            text NOT NULL CHECK (field IN ('celular', 'telefone')),
    position         smallint NOT NULL,
    key              text,
    kind             text NOT NULL
        CHECK (kind IN ('mobile', 'fixed', 'service', 'foreign', 'lid', 'unknown_area')),
    had_ninth_digit  boolean,
    e164             text,
    PRIMARY KEY (id_contato, field, position)
);
CREATE INDEX contact_phones_key_idx ON contact_phones (key) INCLUDE (id_contato, field, kind);
-- What was normalized, so that only contacts whose phone fields changed are read again.
CREATE TABLE contact_phone_inputs (
    id_contato   bigint PRIMARY KEY,
    input_hash   bytea NOT NULL
);

COMMENT ON TABLE contact_sources IS 'What the ERP says of a contact beyond the columns of contatos';
COMMENT ON COLUMN contact_sources.situacao IS 'B active, A active with system access, I inactive, E deleted';
COMMENT ON COLUMN contact_sources.telefone IS '[pii] Phone in full, whatever the width of its column';
COMMENT ON COLUMN contact_sources.celular IS '[pii] Mobile in full, whatever the width of its column';
COMMENT ON COLUMN contact_sources.field_names IS 'Which version of the ERP named the fields: v2 or v3';
COMMENT ON COLUMN contact_sources.truncated IS 'Columns of contatos that do not hold their value whole';
COMMENT ON COLUMN order_sources.item_hash IS 'Hash of the order as listed';
COMMENT ON COLUMN order_sources.detail_hash IS 'Hash of its details; null when they were never read';
COMMENT ON TABLE erp_passes IS 'One row a reading of an ERP listing; a pass that did not end well is resumed';
COMMENT ON COLUMN erp_passes.watermark IS 'The ERP''s time up to which every change is known';
COMMENT ON TABLE contact_phones IS 'Every number of every contact, as matching sees it';
COMMENT ON COLUMN contact_phones.key IS '[pii] Area code and last eight digits; xx for an unknown area';
COMMENT ON COLUMN contact_phones.e164 IS '[pii] The number for display';
COMMENT ON COLUMN contact_phones.had_ninth_digit IS 'Whether the mobile was written with its ninth digit';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
