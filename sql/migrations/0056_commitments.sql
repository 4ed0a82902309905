-- migrate:up

-- What a text says besides the mood: a defect described, that it is wanted soon, and what its writer commits to.
ALTER TABLE message_readings
    ADD COLUMN problem     boolean NOT NULL DEFAULT false,
    ADD COLUMN urgent      boolean NOT NULL DEFAULT false,
    ADD COLUMN commitments jsonb,
    ADD COLUMN symptoms    text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN message_readings.score IS 'Mood towards the shop; a defect described is none';
COMMENT ON COLUMN message_readings.problem IS 'A defect or worry about a device is described';
COMMENT ON COLUMN message_readings.urgent IS 'The writer wants it soon';
COMMENT ON COLUMN message_readings.commitments IS
    'Mentions as [kind, side, start, end, amount, due code, length]; null: none. No words of the message';

COMMENT ON COLUMN message_readings.symptoms IS 'What is wrong with a device, by symptoms.toml';

CREATE TABLE commitments (
    source           text NOT NULL CHECK (source IN ('chat', 'webhook')),
    message_id       bigint NOT NULL,
    number           smallint NOT NULL CHECK (number >= 1),
    id_contato       bigint NOT NULL,
    kind             text NOT NULL CHECK (kind IN (
        'price_quoted', 'deadline_promised', 'warranty_given', 'quote_approved', 'quote_refused', 'pickup_agreed',
        'payment_announced')),
    side             text NOT NULL CHECK (side IN ('staff', 'customer')),
    said_at          timestamp NOT NULL,
    amount           numeric(12, 2) CHECK (amount > 0),
    length           text,
    due_on           date,
    due_time         time,
    id_ordem_servico bigint,
    evidence_start   integer NOT NULL,
    evidence_end     integer NOT NULL,
    outcome          text CHECK (outcome IN ('superseded', 'approved', 'refused', 'kept', 'broken')),
    outcome_source   text CHECK (outcome_source IN ('chat', 'webhook', 'order')),
    outcome_id       bigint,
    PRIMARY KEY (source, message_id, number),
    CONSTRAINT an_outcome_has_evidence CHECK (
        (outcome IS NULL) = (outcome_source IS NULL) AND (outcome IS NULL) = (outcome_id IS NULL))
);
SELECT link_to_adopted('commitments', 'id_contato', 'contatos', 'CASCADE');
CREATE INDEX commitments_contact_idx ON commitments (id_contato, said_at);
CREATE INDEX commitments_due_idx ON commitments (due_on) WHERE outcome IS NULL AND due_on IS NOT NULL;
COMMENT ON TABLE commitments IS
    'What staff and customers promised each other in messages: prices, deadlines, decisions, pick-ups, payments, warranties';
COMMENT ON COLUMN commitments.source IS 'Where the message is: chat (chat_messages) or webhook (conversation_messages)';
COMMENT ON COLUMN commitments.message_id IS 'The message that says it';
COMMENT ON COLUMN commitments.number IS 'Running number within the message';
COMMENT ON COLUMN commitments.id_contato IS 'The customer whose conversation it is';
COMMENT ON COLUMN commitments.kind IS 'What was promised';
COMMENT ON COLUMN commitments.side IS 'Who promised: staff or customer';
COMMENT ON COLUMN commitments.said_at IS 'When it was said, local time';
COMMENT ON COLUMN commitments.amount IS 'Price quoted, in reais';
COMMENT ON COLUMN commitments.length IS 'Length of a warranty: 90d, 2w, 3m, 1y';
COMMENT ON COLUMN commitments.due_on IS 'The day it is due, by the business calendar; null: no day was named';
COMMENT ON COLUMN commitments.due_time IS 'The time of that day, if one was named';
COMMENT ON COLUMN commitments.id_ordem_servico IS 'The order that the conversation was linked to at that time';
COMMENT ON COLUMN commitments.evidence_start IS 'Where the clause begins in the message, from 0';
COMMENT ON COLUMN commitments.evidence_end IS 'Where the clause ends, exclusive';
COMMENT ON COLUMN commitments.outcome IS 'What became of it; null: nothing shows it';
COMMENT ON COLUMN commitments.outcome_source IS 'What shows the outcome: a message (chat, webhook) or an order';
COMMENT ON COLUMN commitments.outcome_id IS 'Id of that message or order';

-- Due and overdue depend on the day of whoever asks, so they are not stored.
CREATE FUNCTION commitment_status(kind text, outcome text, due_on date, today date) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN outcome IS NOT NULL THEN outcome
            WHEN kind IN ('quote_approved', 'quote_refused', 'warranty_given') THEN 'noted'
            WHEN due_on < today THEN 'overdue'
            WHEN due_on = today THEN 'due'
            WHEN kind = 'payment_announced' AND due_on IS NULL THEN 'noted'
            ELSE 'open' END;
COMMENT ON FUNCTION commitment_status(text, text, date, date) IS
    'open, due (today), overdue, noted (nothing to wait for), or the outcome: superseded, approved, refused, kept, broken';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
