-- migrate:up

-- As before (0084). "2023 - 2024" and "1500 - 1800" are a phone or two numbers, as "2023 2024" is: both are looked for.
CREATE OR REPLACE FUNCTION search_query(words text) RETURNS tsquery LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN words ~ '\m\d{4} +- +\d{4}\M'
                THEN search_query_of_words(regexp_replace(words, '(\w{60})\w+', '\1', 'g'))
                     || search_query_of_words(regexp_replace(regexp_replace(words, '(\w{60})\w+', '\1', 'g'),
                                                             '\m(\d{4}) +- +(?=\d{4}\M)', '\1 ', 'g'))
                ELSE search_query_of_words(regexp_replace(words, '(\w{60})\w+', '\1', 'g')) END
$$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
