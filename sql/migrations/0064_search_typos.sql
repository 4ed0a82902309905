-- migrate:up

-- A typo of a word that the search knows means that word; a model's number also stands apart from its name.
-- Nouns of a repair shop: a typo of one is not looked for among all words.
INSERT INTO search_forms (form, pattern, forms)
SELECT noun, '.', ARRAY[noun] FROM unnest(string_to_array(
    'bateria geladeira impressora teclado televisor microondas maquina lavadora parafusadeira furadeira liquidificador ventilador monitor tablet comprovante placa'
    ' conector assistencia aparelho refrigerador secadora cafeteira aspirador controle carcaca dobradica pelicula memoria windows', ' ')) AS noun
ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION search_near(typed text) RETURNS text[] LANGUAGE sql STABLE AS $$
    WITH lexeme AS (
        SELECT btrim(to_tsquery('portuguese_unaccent', typed)::text, '''') AS word
    ), known AS (
        SELECT EXISTS (SELECT FROM search_words s JOIN lexeme l USING (word)) AS is_known
    ), near AS (
        SELECT s.word, levenshtein(s.word, l.word) AS distance,
               length(s.word) = length(l.word)
                   AND (SELECT string_agg(c, '' ORDER BY c) FROM regexp_split_to_table(s.word, '') c)
                     = (SELECT string_agg(c, '' ORDER BY c) FROM regexp_split_to_table(l.word, '') c) AS is_swapped
          FROM search_words s, lexeme l
         WHERE s.word % l.word AND s.word <> l.word AND s.word ~ '^[a-z]+$' AND length(s.word) BETWEEN 3 AND 40
    )
    SELECT ARRAY(
        SELECT n.word FROM near n, known k, lexeme l
         WHERE left(n.word, 1) = left(typed, 1)
           AND CASE WHEN k.is_known THEN (n.distance = 1 OR n.is_swapped) AND length(l.word) >= 7
                    ELSE n.distance = 1 AND length(l.word) >= 5 OR n.is_swapped AND n.distance = 2 AND length(l.word) >= 4
                         OR n.distance = 2 AND length(typed) >= 7 AND length(l.word) >= 6
                         OR length(typed) >= 7 AND length(n.word) >= 6 AND levenshtein(n.word, typed) <= 2 END
         ORDER BY n.distance, n.word LIMIT 5)
     WHERE length(typed) BETWEEN 5 AND 40 AND typed ~ '^[a-z]+$'
$$;

CREATE OR REPLACE FUNCTION search_query(words text) RETURNS tsquery LANGUAGE plpgsql STABLE
SET pg_trgm.similarity_threshold = 0.3 AS $$
DECLARE
    typed text := left(unaccent(lower(words)), 1000);
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
    -- A phrase or a word left out is meant as it is typed.
    has_operators boolean := words ~ '"' OR words ~ '(^| )-[[:alnum:]]';
BEGIN
    -- Numbers, models and the like become place holders xq1q, xq2q …; what they stand for is put in afterwards.
    LOOP
        one := NULL;
        parts := regexp_match(typed, '\mwi[- ]?fi\M');
        IF parts IS NOT NULL THEN
            one := search_variants(ARRAY['wifi', 'wi fi', 'wi-fi']);
            typed := regexp_replace(typed, '\mwi[- ]?fi\M', ' xq' || cardinality(variants) + 1 || 'q ');
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
            parts := regexp_match(typed, '\m(\d{4,5})-(\d{1,4})\M');
            IF parts IS NOT NULL THEN
                one := ((format('%s | 9%s', parts[1], parts[1])::tsquery)
                        <-> (format('%s:* | ''-%s'':*', parts[2], parts[2])::tsquery))
                       || format('%s%s:* | 9%s%s:*', parts[1], parts[2], parts[1], parts[2])::tsquery;
                typed := regexp_replace(typed, '\m(\d{4,5})-(\d{1,4})\M', ' xq' || cardinality(variants) + 1 || 'q ');
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
            parts := regexp_match(typed, '(?:\m(?:final|termina em|telefone|tel|fone|numero|num) )?\m(\d{3,11})\M(?!q)');
            IF parts IS NOT NULL AND typed !~ ('\m[a-z]+ ' || parts[1] || '\M') OR parts IS NOT NULL
                    AND (length(parts[1]) >= 5 OR typed ~ ('\m(final|termina em|telefone|tel|fone|numero|num) ' || parts[1] || '\M')) THEN
                one := search_variants(search_number(parts[1]));
                typed := regexp_replace(typed, '(?:\m(?:final|termina em|telefone|tel|fone|numero|num) )?\m' || parts[1] || '\M',
                                        ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        IF one IS NULL THEN
            -- Up to two words and a number, side by side or in one.
            parts := regexp_match(typed, '\m(?!xq\d)(?:([a-z]+) )?(?!xq\d)([a-z]+)( ?)(\d{1,4}[a-z]?)\M');
            IF parts IS NOT NULL AND parts[2] NOT IN ('or') THEN
                other := coalesce(parts[1] || ' ', '');
                one := search_variants(ARRAY[parts[2] || parts[4], parts[2] || ' ' || parts[4]]
                    || CASE WHEN length(parts[2]) > 1 THEN ARRAY[
                           left(parts[2], -1) || ' ' || right(parts[2], 1) || parts[4],
                           left(parts[2], -1) || ' ' || right(parts[2], 1) || ' ' || parts[4]] ELSE '{}' END);
                IF length(parts[4]) >= 3 AND parts[3] <> '' THEN
                    one := one || (to_tsquery('portuguese_unaccent', parts[2]) && search_variants(search_number(parts[4])));
                END IF;
                IF parts[1] IS NOT NULL THEN
                    one := (plainto_tsquery('portuguese_unaccent', parts[1]) && one)
                           || search_variants(ARRAY[parts[1] || parts[2] || parts[4], parts[1] || parts[2] || ' ' || parts[4]]);
                END IF;
                typed := regexp_replace(typed, '\m(?!xq\d)(?:([a-z]+) )?(?!xq\d)([a-z]+)( ?)(\d{1,4}[a-z]?)\M',
                                        ' xq' || cardinality(variants) + 1 || 'q ');
            END IF;
        END IF;
        EXIT WHEN one IS NULL OR cardinality(variants) >= 8;
        variants := variants || one;
    END LOOP;
    -- Words that are in no index ("quando"), with short forms that are.
    FOR word IN SELECT DISTINCT w FROM regexp_split_to_table(typed, '[^a-z0-9]+') w WHERE w ~ '^[a-z]{2,}$' LOOP
        CONTINUE WHEN numnode(to_tsquery('portuguese_unaccent', word)) > 0 OR cardinality(variants) >= 12;
        SELECT f.forms INTO forms FROM search_forms f WHERE f.form = word;
        CONTINUE WHEN forms IS NULL;
        one := search_variants(forms);
        CONTINUE WHEN numnode(one) = 0;
        typed := regexp_replace(typed, '\m' || word || '\M', ' xq' || cardinality(variants) + 1 || 'q ');
        variants := variants || one;
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
        SELECT f.forms INTO forms FROM search_forms f WHERE f.form = word;
        IF forms IS NOT NULL THEN
            one := one || search_variants(forms);
        END IF;
        IF length(word) >= 5 AND word ~ '^[a-z]+$' THEN
            one := one || (word || ':*')::tsquery;
            -- A word that no message holds, and a known one in other letters: only that one is meant.
            IF forms IS NULL AND NOT EXISTS (SELECT FROM search_words s WHERE s.word = btrim(target::text, '''')) THEN
                SELECT f.forms INTO forms FROM search_forms f
                 WHERE left(f.form, 1) = left(word, 1) AND length(f.form) >= 5
                   AND (levenshtein(f.form, word) <= CASE WHEN length(word) >= 8 THEN 2 ELSE 1 END
                        OR length(f.form) = length(word) AND levenshtein(f.form, word) = 2
                           AND (SELECT string_agg(c, '' ORDER BY c) FROM regexp_split_to_table(f.form, '') c)
                             = (SELECT string_agg(c, '' ORDER BY c) FROM regexp_split_to_table(word, '') c))
                 ORDER BY levenshtein(f.form, word), f.form LIMIT 1;
                IF forms IS NOT NULL THEN
                    query := ts_rewrite(query, target, one || search_variants(forms));
                    CONTINUE;
                END IF;
            END IF;
            FOREACH near IN ARRAY coalesce(search_near(word), '{}') LOOP
                one := one || format('%L', near)::tsquery;
            END LOOP;
        ELSIF length(word) = 4 AND NOT EXISTS (SELECT FROM search_words s WHERE s.word = btrim(target::text, '''')) THEN
            one := one || (word || ':*')::tsquery;
        END IF;
        query := ts_rewrite(query, target, one);
    END LOOP;
    FOR n IN 1 .. cardinality(variants) LOOP
        query := ts_rewrite(query, format('xq%sq', n)::tsquery, variants[n]);
    END LOOP;
    RETURN (query);
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
