-- migrate:up

-- Search: phones in more spellings, and more than eight numbers.

-- As before. A phone is found with its ninth digit apart ("9 9999-12"), with a zero before its area code, and with blanks
-- and dashes anywhere; four digits and four digits are a phone or two numbers. Of more than eight numbers the rest are
-- words: their place holders were left in the query, which then found nothing.
CREATE OR REPLACE FUNCTION search_query(words text) RETURNS tsquery LANGUAGE plpgsql STABLE
SET pg_trgm.similarity_threshold = 0.3 AS $$
DECLARE
    typed text := left(unaccent(regexp_replace(lower(words), '\mn(r|ro|um|umero)?[.]? ?[º°]?[ .:]*(?=\d{3,8}\M)', 'os ', 'g')), 1000);
    plain text := typed;
    unit text := '(?<![0-9a-z.,-])(\d{1,5}) ?(v|w|gb|tb|mb|kg|hz|mah|btus?|rpm|mm|cm|pol)\M';
    parts text[];
    variants tsquery[] := '{}';
    one tsquery;
    query tsquery;
    target tsquery;
    word text;
    other text;
    near text;
    n integer;
    forms text[];
    is_known boolean;
    -- A phrase or a word left out is meant as it is typed.
    has_operators boolean := words ~ '"' OR words ~ '(^| )-[[:alnum:]]';
BEGIN
    typed := regexp_replace(typed, '\s+', ' ', 'g');
    -- A dash between blanks leaves nothing out; "-word" does.
    typed := regexp_replace(regexp_replace(typed, '(\d{4}) ?- (?=\d{4}\M)', '\1-', 'g'), ' -+ ', ' ', 'g');
    -- Numbers, models and the like become place holders xq1q, xq2q …; what they stand for is put in afterwards.
    LOOP
        EXIT WHEN cardinality(variants) >= 8;
        one := NULL;
        parts := regexp_match(typed, '\mwi[- ]?fi\M');
        IF parts IS NOT NULL THEN
            one := search_variants(ARRAY['wifi', 'wi fi', 'wi-fi']);
            typed := regexp_replace(typed, '\mwi[- ]?fi\M', ' xq' || cardinality(variants) + 1 || 'q ');
        END IF;
        -- A phone of which only the end is given: "xxxx-2086".
        typed := regexp_replace(typed, '\mx{2,}[-. ]?(\d{4})\M', 'final \1');
        IF one IS NULL THEN
            parts := regexp_match(typed, unit);
            IF parts IS NOT NULL THEN
                one := search_variants(ARRAY[parts[1] || parts[2], parts[1] || ' ' || parts[2]]);
                typed := regexp_replace(typed, unit, ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            parts := regexp_match(typed, '(?<![0-9])(?:\+?55[ .-]*)?\(?(?!0[3589]00)(?:0(?:xx)?[ .-]?)?\(?[1-9]\d\)?[ .-]*9?[ .-]?(\d{4})[ .-]?(\d{4})(?![0-9])');
            parts := coalesce(parts, regexp_match(typed, '(?<![0-9])9?[ .]?(\d{4})-?(\d{4})(?![0-9])'),
                              regexp_match(typed, '(?<![0-9])9[ .]?(\d{4})[ .-](\d{4})(?![0-9])'));
            IF parts IS NOT NULL THEN
                one := search_phone(parts[1], parts[2]);
                typed := regexp_replace(typed, '(?<![0-9])(?:(?:\+?55[ .-]*)?\(?(?!0[3589]00)(?:0(?:xx)?[ .-]?)?\(?[1-9]\d\)?[ .-]*)?9?[ .-]?' || parts[1] || '[ .-]?' || parts[2] || '(?![0-9])',
                                        ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            parts := regexp_match(typed, '(?:(?:\m(?:ordem de servico|ordem|os|o\.s\.?)|#)[ :#.-]*n?[ :#.º-]*)(\d{3,8})\M');
            IF parts IS NOT NULL THEN
                one := search_variants(search_number(parts[1]));
                typed := regexp_replace(typed, '(?:(?:\m(?:ordem de servico|ordem|os|o\.s\.?)|#)[ :#.-]*n?[ :#.º-]*)(\d{3,8})\M',
                                        ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            parts := regexp_match(typed, '(?:r\$ ?\m(\d+)|(?:r\$ ?)?\m(\d{1,3}(?:\.\d{3})+|\d+(?=,\d{2}\M)))(?:,(\d{2}))?\M');
            IF parts IS NOT NULL THEN
                other := replace(coalesce(parts[1], parts[2]), '.', '');
                one := search_variants(CASE WHEN coalesce(parts[3], '00') = '00' THEN search_number(other)
                                            ELSE ARRAY[other || ',' || parts[3]] END);
                typed := regexp_replace(typed, '(?:r\$ ?\m(\d+)|(?:r\$ ?)?\m(\d{1,3}(?:\.\d{3})+|\d+(?=,\d{2}\M)))(?:,(\d{2}))?\M',
                                        ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            parts := regexp_match(typed, '\m(?:9[ .](?=\d{4}-))?(\d{4,5})-(\d{1,4})\M');
            IF parts IS NOT NULL THEN
                one := ((format('%s | 9%s', parts[1], parts[1])::tsquery)
                        <-> (format('%s:* | ''-%s'':*', parts[2], parts[2])::tsquery))
                       || format('%s%s:* | 9%s%s:*', parts[1], parts[2], parts[1], parts[2])::tsquery;
                typed := regexp_replace(typed, '\m(?:9[ .](?=\d{4}-))?(\d{4,5})-(\d{1,4})\M', ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            parts := regexp_match(typed, '\m9 (\d{4})\M');
            IF parts IS NOT NULL THEN
                one := format('9%s:* | 9 <-> %s | 9 <-> ''-%s''', parts[1], parts[1], parts[1])::tsquery;
                typed := regexp_replace(typed, '\m9 (\d{4})\M', ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            parts := regexp_match(typed, '(?<![0-9.,-])([2-9]\d{3}) (\d{4})(?![0-9.,-])');
            IF parts IS NOT NULL THEN
                one := search_phone(parts[1], parts[2])
                       || (search_variants(search_number(parts[1])) && search_variants(search_number(parts[2])));
                typed := regexp_replace(typed, '(?<![0-9.,-])[2-9]\d{3} \d{4}(?![0-9.,-])',
                                        ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            parts := regexp_match(typed, '(?:\m(?:final|termina em|telefone|tel|fone|numero|num) )?\m(\d{3,11})\M(?!q)');
            IF parts IS NOT NULL AND typed !~ ('\m[a-z]+ ' || parts[1] || '\M') OR parts IS NOT NULL
                    AND (length(parts[1]) >= 5 OR typed ~ ('\m(final|termina em|telefone|tel|fone|numero|num) ' || parts[1] || '\M')) THEN
                one := search_variants(search_number(parts[1]));
                typed := regexp_replace(typed, '(?:\m(?:final|termina em|telefone|tel|fone|numero|num) )?\m' || parts[1] || '\M',
                                        ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL AND NOT has_operators THEN
            parts := regexp_match(typed, '\m(?!xq\d)([a-z]+\d*[a-z]*)-([a-z0-9]+)\M');
            IF parts IS NOT NULL THEN
                one := search_variants(ARRAY[parts[1] || '-' || parts[2], parts[1] || ' ' || parts[2], parts[1] || parts[2]]
                    || CASE WHEN parts[2] ~ '^\d+$' THEN ARRAY[parts[1] || ' -' || parts[2]] ELSE '{}' END);
                typed := regexp_replace(typed, '\m(?!xq\d)([a-z]+\d*[a-z]*)-([a-z0-9]+)\M', ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            -- Up to two words and a number, side by side or in one.
            parts := regexp_match(typed, '\m(?!xq\d)(?:([a-z]+) )?(?!xq\d)([a-z]+)( ?)(\d{1,4}[a-z]{0,3})\M');
            IF parts IS NOT NULL AND parts[2] NOT IN ('or') THEN
                other := coalesce(parts[1] || ' ', '');
                one := search_variants(ARRAY[parts[2] || parts[4], parts[2] || ' ' || parts[4]]
                    || CASE WHEN length(parts[2]) > 1 THEN ARRAY[
                           left(parts[2], -1) || ' ' || right(parts[2], 1) || parts[4],
                           left(parts[2], -1) || ' ' || right(parts[2], 1) || ' ' || parts[4]] ELSE '{}' END);
                IF parts[4] ~ '[a-z]' THEN  -- "s20fe", "s20 fe"
                    one := one || search_variants(ARRAY[parts[2] || regexp_replace(parts[4], '([a-z]+)$', ' \1'),
                                                        parts[2] || ' ' || regexp_replace(parts[4], '([a-z]+)$', ' \1')]);
                END IF;
                IF length(parts[4]) >= 3 AND parts[3] <> '' THEN
                    one := one || (to_tsquery('portuguese_unaccent', parts[2]) && search_variants(search_number(parts[4])));
                END IF;
                IF parts[1] IS NOT NULL THEN
                    one := (plainto_tsquery('portuguese_unaccent', parts[1]) && one)
                           || search_variants(ARRAY[parts[1] || parts[2] || parts[4], parts[1] || parts[2] || ' ' || parts[4]]);
                END IF;
                typed := regexp_replace(typed, '\m(?!xq\d)(?:([a-z]+) )?(?!xq\d)([a-z]+)( ?)(\d{1,4}[a-z]{0,3})\M',
                                        ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        EXIT WHEN one IS NULL;
        variants := variants || one;
    END LOOP;
    -- Words that are in no index ("quando") and their short forms: beside other words they may be missing.
    FOR word IN SELECT DISTINCT w FROM regexp_split_to_table(typed, '[^a-z0-9]+') w WHERE w ~ '^[a-z]{2,}$' LOOP
        SELECT f.forms INTO forms FROM search_forms f WHERE f.form = word;
        CONTINUE WHEN forms IS NULL OR has_operators OR cardinality(variants) >= 12
            OR NOT EXISTS (SELECT FROM unnest(forms) f WHERE numnode(plainto_tsquery('portuguese_unaccent', f)) = 0);
        other := regexp_replace(typed, '\m' || word || '\M', ' ', 'g');
        one := search_variants(forms);
        IF numnode(plainto_tsquery('portuguese_unaccent', other)) > 0 OR numnode(one) = 0 THEN
            typed := other;
        ELSE
            typed := regexp_replace(typed, '\m' || word || '\M', ' xq' || cardinality(variants) + 1 || 'q ');
            variants := variants || one;
        END IF;
    END LOOP;
    query := websearch_to_tsquery('portuguese_unaccent', typed);
    FOR word IN SELECT DISTINCT w FROM regexp_split_to_table(typed, '[^a-z0-9]+') w
                 WHERE w <> '' AND w !~ '^xq\d+q$' AND w NOT IN ('or') LIMIT 12 LOOP
        target := to_tsquery('portuguese_unaccent', word);
        CONTINUE WHEN numnode(target) <> 1;
        one := target;
        other := CASE
            WHEN word ~ '...(oes|aes)$' THEN left(word, -3) || 'ao'
            WHEN word ~ '..ao$' THEN left(word, -2) || 'oes'
            WHEN word ~ '..(ais|eis|ois)$' THEN left(word, -2) || 'l'
            WHEN word ~ '..(al|el|ol)$' THEN left(word, -1) || 'is'
        END;
        IF other IS NOT NULL THEN
            one := one || to_tsquery('portuguese_unaccent', other);
        END IF;
        IF has_operators THEN
            query := ts_rewrite(query, target, one);
            CONTINUE;
        END IF;
        is_known := EXISTS (SELECT FROM search_words s WHERE s.word = btrim(target::text, ''''));
        SELECT f.forms INTO forms FROM search_forms f WHERE f.form = word;
        IF forms IS NOT NULL THEN
            one := one || search_variants(forms);
        END IF;
        IF search_root(word) IS NOT NULL THEN
            one := one || search_variants(search_family(search_root(word)));
        END IF;
        IF length(word) >= 6 AND NOT is_known THEN
            other := search_apart(word)::text;
            IF other <> '' THEN
                one := one || other::tsquery;
            END IF;
        END IF;
        IF length(word) >= 5 AND word ~ '^[a-z]+$' THEN
            IF length(word) >= 6 OR word ~ '([bcdfghjkpqtvw]|[^aeiou][a-z])$'
                    OR NOT is_known THEN
                one := one || (word || ':*')::tsquery;
            END IF;
            -- A word that no message holds, and a known one in other letters: only that one is meant.
            IF forms IS NULL AND NOT is_known THEN
                SELECT f.forms INTO forms FROM search_forms f
                 WHERE left(f.form, 1) = left(word, 1) AND length(f.form) >= 5
                   AND (levenshtein(f.form, word) <= CASE WHEN length(word) >= 8 THEN 2 ELSE 1 END
                        OR length(f.form) = length(word) AND levenshtein(f.form, word) = 2
                           AND (SELECT string_agg(c, '' ORDER BY c) FROM regexp_split_to_table(f.form, '') c)
                             = (SELECT string_agg(c, '' ORDER BY c) FROM regexp_split_to_table(word, '') c))
                 ORDER BY levenshtein(f.form, word), f.form LIMIT 1;
                IF forms IS NOT NULL THEN
                    one := one || search_variants(forms);
                    FOR near IN SELECT k.candidate FROM unnest(coalesce(search_near(word), '{}')) AS k (candidate)
                                 WHERE search_sound(k.candidate) = search_sound(btrim(target::text, '''')) LOOP
                        one := one || format('%L', near)::tsquery;
                    END LOOP;
                    query := ts_rewrite(query, target, one);
                    CONTINUE;
                END IF;
            END IF;
            -- A short word that is known has no other spelling (search_near).
            IF length(word) >= 6 OR NOT is_known THEN
                FOREACH near IN ARRAY coalesce(search_near(word), '{}') LOOP
                    one := one || format('%L', near)::tsquery;
                END LOOP;
            END IF;
        ELSIF length(word) IN (3, 4) AND NOT is_known THEN
            one := one || (word || ':*')::tsquery;
        END IF;
        query := ts_rewrite(query, target, one);
    END LOOP;
    FOR n IN 1 .. cardinality(variants) LOOP
        query := ts_rewrite(query, format('xq%sq', n)::tsquery, variants[n]);
    END LOOP;
    IF NOT has_operators AND numnode(query) > 0 THEN
        one := search_glued(plain);
        IF numnode(one) > 0 THEN
            query := query || one;
        END IF;
    END IF;
    RETURN (query);
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
