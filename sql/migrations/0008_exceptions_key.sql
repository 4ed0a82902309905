-- migrate:up

-- A row of a B-tree index holds at most 2,704 bytes, and a path with a detail can be longer: what makes a finding
-- itself is told by hashes of the two. md5 for its length, not for secrecy.
ALTER TABLE exceptions DROP CONSTRAINT exceptions_stage_file_path_chat_number_line_kind_detail_key;
CREATE UNIQUE INDEX exceptions_key_idx ON exceptions (stage, md5(file_path), chat_number, line, kind, md5(detail))
    NULLS NOT DISTINCT;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
