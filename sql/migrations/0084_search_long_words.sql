-- migrate:up

-- levenshtein() compares words of at most 255 letters, and unaccent() can make more letters of some: a search for a longer
-- word failed. Of such a word the first 60 letters are looked for.
ALTER FUNCTION search_query(text) RENAME TO search_query_of_words;
CREATE FUNCTION search_query(words text) RETURNS tsquery LANGUAGE sql STABLE AS $$
    SELECT search_query_of_words(regexp_replace(words, '(\w{60})\w+', '\1', 'g'))
$$;
COMMENT ON FUNCTION search_query(text) IS 'The words of a search as people type them, as a query';
COMMENT ON FUNCTION search_query_of_words(text) IS 'search_query without its limit to the length of a word';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
