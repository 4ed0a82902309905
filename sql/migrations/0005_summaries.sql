-- migrate:up

-- Search: Portuguese inflection with accents ignored on both sides. Plurals that the stemmer tells apart once
-- the accents are gone (cartão/cartões, papel/papéis) are joined in the query, by search_query.
CREATE EXTENSION IF NOT EXISTS unaccent;
CREATE TEXT SEARCH CONFIGURATION portuguese_unaccent (COPY = portuguese);
ALTER TEXT SEARCH CONFIGURATION portuguese_unaccent
    ALTER MAPPING FOR hword, hword_part, word WITH unaccent, portuguese_stem;

-- left(): a pasted book must not exceed what a tsvector can hold.
ALTER TABLE chat_messages ADD COLUMN search tsvector
    GENERATED ALWAYS AS (to_tsvector('portuguese_unaccent', left(message_text, 100000))) STORED;
CREATE INDEX chat_messages_search_idx ON chat_messages USING gin (search);
ALTER TABLE conversation_messages ADD COLUMN search tsvector
    GENERATED ALWAYS AS (to_tsvector('portuguese_unaccent', left(text, 100000))) STORED;
CREATE INDEX conversation_messages_search_idx ON conversation_messages USING gin (search);

-- What a person types (words, "a phrase", or, -not) as a query that finds both numbers of -ão, -al and -el.
CREATE FUNCTION search_query(words text) RETURNS tsquery LANGUAGE plpgsql STABLE AS $$
DECLARE
    query tsquery := websearch_to_tsquery('portuguese_unaccent', words);
    word text;
    other text;
BEGIN
    FOR word IN SELECT DISTINCT w FROM regexp_split_to_table(unaccent(lower(words)), '[^a-z0-9]+') w LOOP
        other := CASE
            WHEN word ~ '...(oes|aes)$' THEN left(word, -3) || 'ao'
            WHEN word ~ '..ao$' THEN left(word, -2) || 'oes'
            WHEN word ~ '..(ais|eis|ois)$' THEN left(word, -2) || 'l'
            WHEN word ~ '..(al|el|ol)$' THEN left(word, -1) || 'is'
        END;
        IF other IS NOT NULL AND numnode(to_tsquery('portuguese_unaccent', word)) = 1 THEN
            query := ts_rewrite(query, to_tsquery('portuguese_unaccent', word),
                                to_tsquery('portuguese_unaccent', word || '|' || other));
        END IF;
    END LOOP;
    RETURN (query);
END $$;

-- The best messages for what was typed, most relevant first, newest first among equals. A webhook message
-- is told by source 'webhook'; `service_order` finds what was said in the sessions linked to that order.
-- Custom plans, so that a filter which is not given costs nothing.
CREATE FUNCTION search_messages(
    words text, contact bigint DEFAULT NULL, service_order bigint DEFAULT NULL,
    since timestamp DEFAULT NULL, until timestamp DEFAULT NULL, direction text DEFAULT NULL,
    max_results integer DEFAULT 20, mark_start text DEFAULT '«', mark_end text DEFAULT '»'
) RETURNS TABLE (
    source text, message_id bigint, id_contato bigint, chat_id bigint, sent_at timestamp, side text,
    rank real, snippet text
) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    query tsquery := search_query(words);
    marks text := format('StartSel="%s", StopSel="%s", MaxWords=30, MinWords=10', mark_start, mark_end);
BEGIN
    RETURN QUERY
    WITH archive AS (
        SELECT 'chat' AS origin, m.id, m.id_chat_file AS chat, m.message_timestamp AS at, m.direction AS dir,
               ts_rank(m.search, query) AS score
          FROM chat_messages m
         WHERE m.search @@ query
           AND m.duplicate_of IS NULL
           AND (search_messages.direction IS NULL OR m.direction = search_messages.direction)
           AND (since IS NULL OR m.message_timestamp >= since)
           AND (until IS NULL OR m.message_timestamp < until)
           AND (contact IS NULL OR m.id_chat_file IN (SELECT f.id FROM chat_files f WHERE f.id_contato = contact))
           AND (service_order IS NULL
                OR m.id_chat_file IN (SELECT f.id FROM chat_files f WHERE f.id_ordem_servico = service_order)
                OR EXISTS (SELECT 1 FROM chat_sessions s
                            WHERE s.id_ordem_servico = service_order AND s.id_chat_file = m.id_chat_file
                              AND m.message_timestamp BETWEEN s.started_at AND s.ended_at))
         ORDER BY score DESC, at DESC, m.id
         LIMIT max_results
    ), live AS (
        SELECT 'webhook' AS origin, m.id, m.conversation_id AS chat,
               m.sent_at AT TIME ZONE current_setting('TimeZone') AS at,
               CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END AS dir,
               ts_rank(m.search, query) AS score
          FROM conversation_messages m
         WHERE m.search @@ query
           AND service_order IS NULL
           AND (search_messages.direction IS NULL
                OR m.role = CASE search_messages.direction WHEN 'from' THEN 'user' WHEN 'to' THEN 'assistant' ELSE 'system' END)
           AND (since IS NULL OR m.sent_at >= since)
           AND (until IS NULL OR m.sent_at < until)
           AND (contact IS NULL
                OR m.conversation_id IN (SELECT c.id FROM conversations c WHERE c.id_contato = contact))
         ORDER BY score DESC, m.sent_at DESC, m.id
         LIMIT max_results
    ), best AS (
        SELECT * FROM archive UNION ALL SELECT * FROM live ORDER BY score DESC, at DESC, id LIMIT max_results
    )
    SELECT b.origin, b.id, coalesce(f.id_contato, c.id_contato), b.chat, b.at, b.dir, b.score,
           ts_headline('portuguese_unaccent', left(coalesce(a.message_text, w.text), 20000), query, marks)
      FROM best b
      LEFT JOIN chat_messages a ON b.origin = 'chat' AND a.id = b.id
      LEFT JOIN chat_files f ON f.id = a.id_chat_file
      LEFT JOIN conversation_messages w ON b.origin = 'webhook' AND w.id = b.id
      LEFT JOIN conversations c ON c.id = w.conversation_id
     ORDER BY b.score DESC, b.at DESC, b.id;
END $$;

-- What the rules read in a text, kept by the text's hash: "bom dia" is read once. No words are stored; the
-- evidence phrase is its place in the message (0-based, end exclusive).
CREATE TABLE message_readings (
    text_hash       bigint PRIMARY KEY,
    rules           text NOT NULL,         -- digest of lexicon, taxonomy and rules that read it
    -- Exact, so that sums of them do not depend on the order they are added in.
    score           numeric(4, 3) NOT NULL CHECK (score BETWEEN -1 AND 1),
    weight          numeric(3, 2) NOT NULL,   -- a described defect weighs less than an opinion
    evidence_start  integer,
    evidence_end    integer,
    closes          boolean NOT NULL,      -- courtesy or praise only: asks for no answer
    topics          text[] NOT NULL,
    equipment       text[] NOT NULL,
    parts           text[] NOT NULL
);

-- Metrics a conversation: a contact's messages, whatever chat they stand in, cut where nobody wrote for the gap.
CREATE TABLE customer_conversations (
    id_contato               bigint NOT NULL,
    number                   integer NOT NULL CHECK (number >= 1),
    started_at               timestamp NOT NULL,
    ended_at                 timestamp NOT NULL,
    opened_by                text NOT NULL CHECK (opened_by IN ('customer', 'staff')),
    last_speaker             text NOT NULL CHECK (last_speaker IN ('customer', 'staff')),
    message_count            integer NOT NULL,
    customer_messages        integer NOT NULL,
    staff_messages           integer NOT NULL,
    first_response_s         bigint CHECK (first_response_s >= 0),
    first_response_business_s bigint CHECK (first_response_business_s >= 0),
    sentiment_score          numeric(4, 3),
    sentiment                text NOT NULL CHECK (sentiment IN ('positive', 'neutral', 'negative')),
    topics                   text[] NOT NULL DEFAULT '{}',
    id_ordem_servico         bigint,
    resolved_at              date,
    PRIMARY KEY (id_contato, number)
);
CREATE INDEX customer_conversations_started_idx ON customer_conversations (started_at);
SELECT link_to_adopted('customer_conversations', 'id_contato', 'contatos', 'CASCADE');

CREATE TABLE customer_chat_summaries (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id_contato                bigint NOT NULL UNIQUE,
    first_interaction_date    timestamp NOT NULL,
    last_interaction_date     timestamp NOT NULL,
    communication_frequency   text NOT NULL
        CHECK (communication_frequency IN ('frequent', 'regular', 'occasional', 'rare')),
    common_topics             text[] NOT NULL DEFAULT '{}',
    sentiment_analysis        text NOT NULL CHECK (sentiment_analysis IN ('positive', 'neutral', 'negative')),
    sentiment_score           numeric(4, 3),
    sentiment_change          numeric(4, 3),        -- last conversation less the 90 days before it
    summary                   text NOT NULL,
    message_count             integer NOT NULL,
    customer_messages         integer NOT NULL,
    staff_messages            integer NOT NULL,
    other_messages            integer NOT NULL,
    conversation_count        integer NOT NULL,
    last_speaker              text CHECK (last_speaker IN ('customer', 'staff')),
    first_response_median_s   bigint,
    first_response_p90_s      bigint,
    first_response_median_business_s bigint,
    first_response_p90_business_s    bigint,
    reply_median_s            bigint,
    reply_p90_s               bigint,
    reply_median_business_s   bigint,
    reply_p90_business_s      bigint,
    open_since                timestamp,
    open_reasons              text[] NOT NULL DEFAULT '{}'
        CHECK (open_reasons <@ ARRAY['unanswered', 'order']),
    facts                     jsonb NOT NULL,
    claims                    jsonb NOT NULL,   -- [{"text", "kind", "messages": ["chat:1", "webhook:2"], "orders": [3]}]
    evidence_message_ids      bigint[] NOT NULL DEFAULT '{}',   -- chat_messages
    evidence_webhook_ids      bigint[] NOT NULL DEFAULT '{}',   -- conversation_messages
    abstract                  text,             -- an optional model's words, beside the summary
    abstract_claims           jsonb,
    abstract_hash             text,             -- the input hash the abstract was written from
    input_hash                text NOT NULL,
    computed_at               timestamptz NOT NULL DEFAULT now()
);
SELECT link_to_adopted('customer_chat_summaries', 'id_contato', 'contatos', 'CASCADE');
CREATE INDEX customer_chat_summaries_open_idx ON customer_chat_summaries (open_since) WHERE open_since IS NOT NULL;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
