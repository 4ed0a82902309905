-- Temporary tables of one run; made anew, so that a dry run inside one transaction works as well.
DROP TABLE IF EXISTS work_contacts, work_messages, work_sessions, work_replies, work_frequency, business_days,
    work_readings, work_talk, work_unlinked, work_nobodys, work_stale;
CREATE TEMP TABLE work_contacts (
    id_contato bigint PRIMARY KEY, messages bigint, input_hash text, batch integer);
CREATE TEMP TABLE work_messages (
    id_contato bigint, seq bigint, source text, id bigint, at timestamp, direction text, type text, body text,
    text_hash bigint, conversation integer, opens boolean);
CREATE TEMP TABLE work_talk (
    id_contato bigint, seq bigint, ref text, at timestamp, direction text, conversation integer, opens boolean, size integer,
    score numeric, weight numeric, opinion boolean, closes boolean,
    evidence_start integer, evidence_end integer, topics text[], equipment text[], parts text[], problem boolean,
    urgent boolean, symptoms text[]);
CREATE TEMP TABLE work_sessions (
    id_contato bigint, id_ordem_servico bigint, started_at timestamp, ended_at timestamp,
    confidence double precision);
CREATE TEMP TABLE work_replies (
    id_contato bigint, asked_ref text, ref text, seq bigint, seconds bigint, business_seconds bigint);
CREATE TEMP TABLE work_frequency (id_contato bigint PRIMARY KEY, class text);
CREATE TEMP TABLE business_days (
    day date PRIMARY KEY, opens_s integer, closes_s integer, seconds_before bigint);
CREATE TEMP TABLE work_readings (LIKE message_readings);
CREATE TEMP TABLE work_unlinked (key bigint PRIMARY KEY, messages bigint, input_hash text, batch integer);
CREATE TEMP TABLE work_nobodys (key bigint PRIMARY KEY);
CREATE TEMP TABLE work_stale (id_contato bigint PRIMARY KEY, stale_since timestamptz);
