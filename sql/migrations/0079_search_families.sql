-- migrate:up

-- Search: any verb and its nouns, short forms of words that no index holds, phones and order numbers in any spelling,
-- glued and hyphenated models; stems that collide ("bateria" and "bateu", "porta" and "porto") are told apart.
INSERT INTO search_forms (form, pattern, forms)
SELECT unnest(string_to_array(f, ' ')), '\m(' || p || ')\M', string_to_array(f, ' ') FROM (VALUES
        ('dps|depois', 'dps depois'), ('pfvr?|pf|favor', 'pfv pfvr pf favor'), ('cmg|comigo', 'cmg comigo'), ('ctg|contigo', 'ctg contigo'),
        ('td|tud[oa]', 'td tudo'), ('tds|todos', 'tds todos'), ('msm[oa]?|mesm[oa]', 'msm msmo mesmo mesma'),
        ('dnv|de ?novo', 'dnv denovo'), ('vlw+|valeu', 'vlw valeu'), ('qro|quero', 'qro quero'), ('nd|nada', 'nd nada'),
        ('agr|agora', 'agr agora'), ('ngm|ninguem', 'ngm ninguem'), ('mto|mt|muit[oa]s?', 'mto mt muito muita'),
        ('kd|cade', 'kd cade'), ('aki|aqui', 'aki aqui'), ('sr|senhor', 'sr senhor'), ('sra|senhora', 'sra senhora'),
        ('qlq|qq|qualquer', 'qlq qq qualquer'), ('sab|sabado', 'sab sabado'), ('sex|sexta', 'sex sexta'),
        ('tel|telefones?', 'tel telefone'), ('bjs|beijos?', 'bjs beijo beijos'), ('abs|abracos?', 'abs abraco abracos'),
        ('add|adicion\w+', 'add adiciona adicionar'), ('vcs?|voces?|ce', 'vc vcs voce voces'), ('tbm?|tambem', 'tb tbm tambem'),
        ('hj|hoje', 'hj hoje'), ('amanha|amnh|amn', 'amanha amnh amn'), ('ate|te', 'ate'),
        ('garant(ias?|ir|id[oa]s?|em?|imos|o|a|i|iu)', 'garantia garantir garantido garante garantem garantimos garanto'),
        ('or[cs](ar|amentos?|amneto|ei|ou|ad[oa]s?|aram|amos|o|am)?', 'orcamento orcamentos orcar orcei orcaram orcado orc'),
        ('car+eg(ar|adores|ador|amentos?|a|o|ou|ando|am|ue|uei)', 'carregar carregador carregamento carrega carregou carregando'),
        ('televi[sz](ao|or|oes|ores)|tvs?', 'tv televisao televisor televizao')
    ) AS v (p, f)
ON CONFLICT (form) DO UPDATE SET pattern = excluded.pattern, forms = excluded.forms;

-- What a verb or its noun is made of, and whether it goes like "cobrar" (a) or like "receber" (e); null for other words.
CREATE FUNCTION search_root(word text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN word ~ '^[a-z]{3,}(amentos?|agens|agem)$'
        THEN ARRAY[regexp_replace(word, '(amentos?|agens|agem)$', ''), 'a']
        WHEN word ~ '^[a-z]{4,}(ancas?|acao|acoes|aduras?|uras?|ador[ae]?s?)$'
        THEN ARRAY[regexp_replace(word, '(ancas?|acao|acoes|aduras?|uras?|ador[ae]?s?)$', ''), 'a']
        WHEN word ~ '^[a-z]{3,}(ar|aram|amos|ando|avam?|ou|ei)$'
        THEN ARRAY[regexp_replace(word, '(ar|aram|amos|ando|avam?|ou|ei)$', ''), 'a']
        WHEN word ~ '^[a-z]{4,}(imentos?|encas?|icao|icoes)$'
        THEN ARRAY[regexp_replace(word, '(imentos?|encas?|icao|icoes)$', ''), 'e']
        WHEN word ~ '^[a-z]{3,}(er|ir|eram|iram|emos|imos|endo|indo|eu|iu)$'
        THEN ARRAY[regexp_replace(word, '(er|ir|eram|iram|emos|imos|endo|indo|eu|iu)$', ''), 'e']
    END
$$;
COMMENT ON FUNCTION search_root(text) IS 'The root of a verb or its noun and how it is conjugated; null for other words';

-- The forms of such a root: what is looked for, and the pattern of all of them.
CREATE FUNCTION search_family(root text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY(SELECT root[1] || ending
                   FROM unnest(CASE root[2]
                        WHEN 'a' THEN '{ar,ou,ando,amento,anca,acao,agem,ura,ador,ada}'::text[]
                        ELSE '{er,ir,eu,iu,endo,imento,enca,icao,ida}'::text[] END) ending)
$$;
CREATE FUNCTION search_family_pattern(root text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '\m' || root[1] || CASE root[2]
        WHEN 'a' THEN '(ar(em)?|as?|o|ou|ei|am|amos|aram|ando|av[ao]m?s?|ad[oa]s?|e|em|amentos?|ancas?|acao|acoes|agens|agem|aduras?|uras?|ador[ae]?s?)\M'
        ELSE '(er(em)?|ir(em)?|e|em|o|a|am|i|eu|iu|eram|iram|emos|imos|endo|indo|id[oa]s?|imentos?|encas?|icao|icoes|ed[oa]r[ae]?s?)\M' END
$$;
COMMENT ON FUNCTION search_family(text[]) IS 'Forms of a root that are looked for';
COMMENT ON FUNCTION search_family_pattern(text[]) IS 'A pattern of all forms of a root';

-- What a word of a hit must look like for a typed one; stems alone collide. Null: no more than its stem.
CREATE FUNCTION search_strict(plain text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN plain ~ '^[a-z]+(oes|aes)$' THEN '\m' || left(plain, -3) || '(ao|oes|aes)'
        WHEN plain ~ '^[a-z]+(ais|eis|ois)$' THEN '\m' || left(plain, -2) || '(l|is)\M'
        WHEN plain ~ '^[a-z]+ao$' THEN '\m' || left(plain, -2) || '(ao|oes|aes|aozinho)'
        WHEN length(plain) >= 8 THEN '\m' || left(plain, -2)
        WHEN length(plain) = 7 THEN '\m' || left(plain, -1)
        WHEN singular ~ 'a$' THEN '\m' || left(singular, -1) || '('
            || CASE WHEN is_adjective THEN 'os?|' ELSE '' END
            || 'as?|ar|am|ou|ei|ando|aram|ad[oa]s?|avam?|amentos?|z?inhas?|zinh[oa]s?|ona)\M'
        WHEN singular ~ 'o$' THEN '\m' || left(singular, -1) || '('
            || CASE WHEN is_adjective THEN 'as?|' ELSE '' END
            || 'os?|ar|ei|ou|ando|aram|ad[oa]s?|z?inhos?|zinh[oa]s?)\M'
        WHEN singular ~ 'e$' THEN '\m' || left(singular, -1) || '(es?|er|ir|i|eu|iu|em|am|endo|indo|id[oa]s?|eram|iram|z?inh[oa]s?|ar|ou|ei|ad[oa]s?)\M'
        WHEN singular ~ 'l$' THEN '\m' || left(singular, -1) || '(l|is|zinh)'
        WHEN singular ~ 'm$' THEN '\m' || left(singular, -1) || '(m|ns|nzinh)'
    END
      FROM (SELECT regexp_replace(plain, 's$', '') AS singular,
                   plain ~ '^(nov|car|tod|mei|pret|velh|bo|branc|lent|fri|quent|limp|suj|rox|frac|mort|lind|fei|chei|just|sec|fin|gross|larg|tort|mol|rot|solt|fals|cert|barat|mau|maduro|sobr|medi|bonit|pequen|antig|escur|clar|froux|dur|vazi|abert|amarel|vermelh|direit|esquerd|complet|\w+(ad|id|os|iv|ic|ent|eir))[oa]s?$' AS is_adjective) s
     WHERE plain ~ '^[a-z]{3,}$'
$$;
COMMENT ON FUNCTION search_strict(text) IS 'A pattern that a word of a hit must match for a typed one, besides its stem';

-- Patterns of a word as it is mistyped: as it sounds, and with two letters swapped.
CREATE FUNCTION search_slips(plain text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['\m' || left(plain, 1) || replace(replace(replace(replace(replace(
               regexp_replace(translate(substr(left(plain, -1), 2), 'cszxmneiougj', 'SSSSMMEEOOGG'), '([A-Z])\1+', '\1', 'g'),
               'S', '[cszx]+'), 'M', '[mn]+'), 'E', '[ei]+'), 'O', '[ou]+'), 'G', '[gj]+')]
           || ARRAY(SELECT '\m' || left(plain, at - 1) || substr(plain, at + 1, 1) || substr(plain, at, 1)
                           || substr(plain, at + 2, greatest(0, length(plain) - at - 2))
                      FROM generate_series(2, length(plain) - 2) AS at)
     WHERE length(plain) BETWEEN 6 AND 24
$$;
COMMENT ON FUNCTION search_slips(text) IS 'Patterns of a word as it is mistyped';

-- A phone in any spelling: its last eight digits.
CREATE FUNCTION search_phone(first text, last text) RETURNS tsquery LANGUAGE sql STABLE AS $$
    SELECT (format('(%1$s | 9%1$s) <-> (%2$s | ''-%2$s'')', first, last)::tsquery)
        || format('%1$s%2$s | 9%1$s%2$s', first, last)::tsquery
        || coalesce((SELECT string_agg(format('%L', word), ' | ')
                       FROM (SELECT word FROM search_words
                              WHERE word LIKE '%' || first || last AND word ~ '^-?\d{8,}$' ORDER BY word LIMIT 30) w)::tsquery, ''::tsquery)
$$;
COMMENT ON FUNCTION search_phone(text, text) IS 'The spellings of a phone number of which eight digits are given in two parts';

-- As before; a number also stands at the end of a word such as "O.S.31640".
CREATE OR REPLACE FUNCTION search_number(digits text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY[digits, 'os' || digits, '-' || digits]
        || CASE WHEN length(digits) BETWEEN 4 AND 6
                THEN ARRAY[left(digits, -3) || '.' || right(digits, 3)] ELSE '{}' END
        || CASE WHEN length(digits) = 4 THEN ARRAY['9' || digits] ELSE '{}' END
        || CASE WHEN length(digits) >= 4 THEN ARRAY(
               SELECT word FROM search_words
                WHERE word LIKE '%' || digits || '%'
                  AND (word ~ '^-?\d{8,}$' OR word ~ ('^(o\.?s\.?|n[o.]*)[^0-9]*' || digits || '$'))
                ORDER BY word LIMIT 30) ELSE '{}' END
$$;

CREATE FUNCTION search_sound(word text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(translate(replace(replace(word, 'ch', 'x'), 'h', ''), 'czxguynwe', 'sssjoimvi'), '(.)\1+', '\1', 'g')
$$;
COMMENT ON FUNCTION search_sound(text) IS 'A word as it sounds: "orsamento" and "orcamento" are the same';
CREATE FUNCTION search_letters(word text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(letter, '' ORDER BY letter) FROM regexp_split_to_table(word, '') letter
$$;
COMMENT ON FUNCTION search_letters(text) IS 'The letters of a word in their order: two words with the same are swaps of one another';

-- As before; only the nearest words, and a swap of letters is looked for in the word as it is typed, too.
CREATE OR REPLACE FUNCTION search_near(typed text) RETURNS text[] LANGUAGE sql STABLE AS $$
    WITH lexeme AS (
        SELECT btrim(to_tsquery('portuguese_unaccent', typed)::text, '''') AS word
    ), known AS (
        SELECT EXISTS (SELECT FROM search_words s JOIN lexeme l USING (word)) AS is_known
    ), wanted AS (
        -- A stem that is much shorter than the word ("bat" of "bateria") has too few letters to compare.
        SELECT word AS lexeme, CASE WHEN length(word) < 5 THEN typed ELSE word END AS target FROM lexeme
    ), found AS MATERIALIZED (
        SELECT s.word, w.lexeme, left(typed, length(s.word)) AS beginning,
               levenshtein_less_equal(s.word, w.lexeme, 2) AS distance
          FROM search_words s, wanted w, known k
         WHERE (NOT k.is_known OR length(typed) >= 6) AND s.word % w.target AND s.word <> w.lexeme AND s.word ~ '^[a-z]+$'
           AND left(s.word, 1) = left(typed, 1)
           AND length(s.word) BETWEEN least(length(w.lexeme), length(typed) - 2) - 2 AND length(typed) + 2
    ), near AS (
        SELECT f.word, f.lexeme, f.distance,
               CASE WHEN length(f.word) >= 4 AND f.distance = 2 AND length(f.word) = length(f.lexeme)
                    THEN search_letters(f.word) = search_letters(f.lexeme)
                    WHEN length(f.word) >= 5 AND length(f.word) >= length(typed) - 2 AND f.word <> f.beginning
                         AND length(f.beginning) = length(f.word) AND levenshtein_less_equal(f.word, f.beginning, 2) = 2
                    THEN search_letters(f.word) = search_letters(f.beginning)
                    ELSE false END AS is_swapped,
               length(typed) >= 7 AND length(f.word) >= 6 AND levenshtein_less_equal(f.word, typed, 2) <= 2 AS is_as_typed
          FROM found f
    ), kept AS (
        SELECT n.word, CASE WHEN n.is_swapped THEN 1 ELSE n.distance END AS distance
          FROM near n, known k
         WHERE CASE WHEN k.is_known
                    THEN length(typed) >= 6 AND (n.is_swapped OR n.distance <= 2 AND search_sound(n.word) = search_sound(n.lexeme))
                    ELSE n.distance = 1 AND length(n.lexeme) >= 5 OR n.is_swapped
                         OR n.distance = 2 AND length(typed) >= 7 AND length(n.lexeme) >= 6 OR n.is_as_typed END
    )
    SELECT ARRAY(SELECT word FROM kept WHERE distance <= (SELECT greatest(1, min(distance)) FROM kept) ORDER BY word LIMIT 5)
     WHERE length(typed) BETWEEN 5 AND 40 AND typed ~ '^[a-z]+$'
$$;

-- The query of words that are written in one or apart: "iphonexr", "xbox one", "macbookair m1".
CREATE FUNCTION search_glued(typed text) RETURNS tsquery LANGUAGE plpgsql STABLE AS $$
DECLARE
    tokens text[] := regexp_split_to_array(btrim(typed), '[^a-z0-9]+');
    glued text;
    rest tsquery;
    result tsquery := '';
BEGIN
    IF cardinality(tokens) > 6 THEN
        RETURN result;
    END IF;
    FOR size IN 2 .. least(3, cardinality(tokens)) LOOP
        FOR start IN 1 .. cardinality(tokens) - size + 1 LOOP
            glued := array_to_string(tokens[start : start + size - 1], '');
            CONTINUE WHEN length(glued) NOT BETWEEN 4 AND 24 OR glued ~ '^\d+$'
                OR NOT EXISTS (SELECT FROM search_words w
                                WHERE w.word = btrim(plainto_tsquery('portuguese_unaccent', glued)::text, ''''));
            rest := plainto_tsquery('portuguese_unaccent', array_to_string(tokens[: start - 1] || tokens[start + size :], ' '));
            rest := CASE WHEN numnode(rest) = 0 THEN plainto_tsquery('portuguese_unaccent', glued)
                         ELSE plainto_tsquery('portuguese_unaccent', glued) && rest END;
            result := CASE WHEN numnode(result) = 0 THEN rest ELSE result || rest END;
        END LOOP;
    END LOOP;
    RETURN result;
END $$;
COMMENT ON FUNCTION search_glued(text) IS 'Neighbouring words as one, where messages hold it so';

-- An unknown word as two known ones: "iphonexr" is "iphone xr".
CREATE FUNCTION search_apart(word text) RETURNS tsquery LANGUAGE plpgsql STABLE AS $$
DECLARE
    first text;
    last text;
BEGIN
    FOR size IN REVERSE least(length(word), 24) - 2 .. 4 LOOP
        first := btrim(plainto_tsquery('portuguese_unaccent', left(word, size))::text, '''');
        last := btrim(plainto_tsquery('portuguese_unaccent', substr(word, size + 1))::text, '''');
        IF (substr(word, size + 1) ~ '^[^aeiou]{2}$' OR EXISTS (SELECT FROM search_words w WHERE w.word = last))
                AND EXISTS (SELECT FROM search_words w WHERE w.word = first) THEN
            RETURN phraseto_tsquery('portuguese_unaccent', left(word, size) || ' ' || substr(word, size + 1));
        END IF;
    END LOOP;
    RETURN ''::tsquery;
END $$;
COMMENT ON FUNCTION search_apart(text) IS 'An unknown word as two known ones side by side';

CREATE OR REPLACE FUNCTION search_query(words text) RETURNS tsquery LANGUAGE plpgsql STABLE
SET pg_trgm.similarity_threshold = 0.3 AS $$
DECLARE
    typed text := left(unaccent(regexp_replace(lower(words), '\mn(r|ro|um|umero)?[.]? ?[º°]?[ .:]*(?=\d{3,8}\M)', 'os ', 'g')), 1000);
    plain text := typed;
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
            parts := regexp_match(typed, '(?<![0-9])(?:\+?55[ .-]*)?\(?[1-9]\d\)?[ .-]*9?[ .-]?(\d{4})[ .-]?(\d{4})(?![0-9])');
            parts := coalesce(parts, regexp_match(typed, '(?<![0-9])9?[ .]?(\d{4})-?(\d{4})(?![0-9])'),
                              regexp_match(typed, '(?<![0-9])9[ .]?(\d{4})[ .-](\d{4})(?![0-9])'));
            IF parts IS NOT NULL THEN
                one := search_phone(parts[1], parts[2]);
                typed := regexp_replace(typed, '(?<![0-9])(?:(?:\+?55[ .-]*)?\(?[1-9]\d\)?[ .-]*)?9?[ .-]?' || parts[1] || '[ .-]?' || parts[2] || '(?![0-9])',
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
        EXIT WHEN one IS NULL OR cardinality(variants) >= 8;
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
        SELECT f.forms INTO forms FROM search_forms f WHERE f.form = word;
        IF forms IS NOT NULL THEN
            one := one || search_variants(forms);
        END IF;
        IF search_root(word) IS NOT NULL THEN
            one := one || search_variants(search_family(search_root(word)));
        END IF;
        IF length(word) >= 6 AND NOT EXISTS (SELECT FROM search_words s WHERE s.word = btrim(target::text, '''')) THEN
            other := search_apart(word)::text;
            IF other <> '' THEN
                one := one || other::tsquery;
            END IF;
        END IF;
        IF length(word) >= 5 AND word ~ '^[a-z]+$' THEN
            IF length(word) >= 6 OR word ~ '([bcdfghjkpqtvw]|[^aeiou][a-z])$'
                    OR NOT EXISTS (SELECT FROM search_words s WHERE s.word = btrim(target::text, '''')) THEN
                one := one || (word || ':*')::tsquery;
            END IF;
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
                    one := one || search_variants(forms);
                    FOR near IN SELECT k.candidate FROM unnest(coalesce(search_near(word), '{}')) AS k (candidate)
                                 WHERE search_sound(k.candidate) = search_sound(btrim(target::text, '''')) LOOP
                        one := one || format('%L', near)::tsquery;
                    END LOOP;
                    query := ts_rewrite(query, target, one);
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
    IF NOT has_operators AND numnode(query) > 0 THEN
        one := search_glued(plain);
        IF numnode(one) > 0 THEN
            query := query || one;
        END IF;
    END IF;
    RETURN (query);
END $$;

-- What a hit must hold besides: stems collide ("Célia" and "cel", "bateria" and "bateu"). Null: nothing more.
CREATE OR REPLACE FUNCTION search_recheck(words text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    token text;
    plain text;
    lexeme text;
    wanted text;
    alternatives text[];
    result text := '';
BEGIN
    IF words ~ '["]' OR words ~* '(^| )(or |-)' THEN
        RETURN NULL;
    END IF;
    FOREACH token IN ARRAY regexp_split_to_array(left(words, 1000), '[^[:alnum:]]+') LOOP
        plain := unaccent(lower(token));
        wanted := NULL;
        IF plain ~ '^[a-z]{2,}$' AND words !~* '[a-z] ?\d|[a-z]-[a-z]' THEN
            alternatives := '{}';
            lexeme := btrim(plainto_tsquery('portuguese_unaccent', plain)::text, '''');
            SELECT nullif(f.pattern, '.') INTO wanted FROM search_forms f WHERE f.form = plain;
            IF wanted IS NOT NULL THEN
                alternatives := alternatives || wanted;
            ELSIF EXISTS (SELECT FROM search_words s WHERE s.word = lexeme) THEN
                wanted := CASE WHEN token ~ '^[[:upper:]][[:lower:]]{2,5}$' THEN '\m' || plain || 's?\M' ELSE search_strict(plain) END;
                IF wanted IS NOT NULL THEN
                    alternatives := alternatives || wanted;
                END IF;
            END IF;
            IF cardinality(alternatives) > 0 THEN
                IF search_root(plain) IS NOT NULL AND NOT EXISTS (SELECT FROM search_forms f WHERE f.form = plain AND f.pattern <> '.') THEN
                    alternatives := alternatives || search_family_pattern(search_root(plain));
                END IF;
                alternatives := alternatives || search_slips(plain);
                wanted := '(' || array_to_string(alternatives, '|') || ')';
            END IF;
        ELSIF plain ~ '^[a-z]\d{1,4}$' THEN
            wanted := left(plain, 1) || '[ -]?' || substr(plain, 2) || '\M';
        END IF;
        IF wanted IS NOT NULL THEN
            result := result || '(?=.*' || wanted || ')';
        END IF;
    END LOOP;
    RETURN '^' || nullif(result, '');
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
