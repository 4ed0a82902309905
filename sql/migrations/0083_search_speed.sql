-- migrate:up

-- Search: words of similar letters from an index, and one statement fewer per page.

-- search_near compares a word with those that begin with the same letter and have about its length.
CREATE INDEX search_words_beginning_idx ON search_words (left(word, 1), length(word)) WHERE word ~ '^[a-z]+$';

CREATE FUNCTION search_estimate(query tsquery) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM chat_messages WHERE search @@ %1$L::tsquery'
                   ' UNION ALL SELECT FROM conversation_messages WHERE search @@ %1$L::tsquery', query) INTO plan;
    RETURN (plan -> 0 -> 'Plan' ->> 'Plan Rows')::bigint;
END $$;
COMMENT ON FUNCTION search_estimate(tsquery) IS 'About how many messages match, from the statistics of the server; no message is read';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
