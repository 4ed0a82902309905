-- migrate:up

-- Search: amounts in words and with a currency, phones by their area code or end, words written in one or apart, and
-- every form of a verb. What people type is spelled first, then read as before; what is indexed stays as it is.

-- A number as chats write it in words: 2000 is "2 mil", "2mil", "dois mil"; 2500 is "2,5 mil"; 1200 is "mil e duzentos".
CREATE FUNCTION search_number_words(n integer) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    WITH names AS (
        SELECT '{um,dois,tres,quatro,cinco,seis,sete,oito,nove,dez}'::text[] AS units,
               '{cem,duzentos,trezentos,quatrocentos,quinhentos,seiscentos,setecentos,oitocentos,novecentos}'::text[] AS hundreds
    ), parts AS (
        SELECT n / 1000 AS thousands, n % 1000 / 100 AS hundred, units, hundreds FROM names
         WHERE n BETWEEN 200 AND 99900 AND n % 100 = 0
    )
    SELECT CASE
        WHEN thousands = 0 THEN ARRAY[hundreds[hundred]]
        WHEN hundred = 0 THEN ARRAY[thousands || ' mil', thousands || 'mil']
            || CASE WHEN thousands = 1 THEN ARRAY['mil reais', 'mil conto', 'mil pila']
                    WHEN thousands <= 10 THEN ARRAY[units[thousands] || ' mil'] ELSE '{}' END
        ELSE ARRAY[format('%s,%s mil', thousands, hundred), format('%s.%s mil', thousands, hundred),
                   format('%s mil e %s', thousands, hundreds[hundred])]
            || CASE WHEN thousands = 1 THEN ARRAY['mil e ' || hundreds[hundred]]
                    WHEN thousands <= 10 THEN ARRAY[format('%s mil e %s', units[thousands], hundreds[hundred])] ELSE '{}' END
        END FROM parts
$$;
COMMENT ON FUNCTION search_number_words(integer) IS 'A round number in words, as chats write it; null for others';

-- What is typed, with amounts as numbers after "r$", and phones without their area code: "2 mil reais" is "r$ 2000",
-- "(21) 90026" is "90026". A phrase or a word left out is meant as it is typed.
CREATE FUNCTION search_spelled(words text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    units text[] := '{um,dois,tres,quatro,cinco,seis,sete,oito,nove,dez}';
    hundreds text[] := '{cem,duzentos,trezentos,quatrocentos,quinhentos,seiscentos,setecentos,oitocentos,novecentos}';
    unit text := '(?:reais|real|contos?|pilas?|mangos?|pratas?)';
    amount text;
    parts text[];
    typed text := words;
    n numeric;
BEGIN
    IF words ~ '"' OR words ~ '(^| )-[[:alnum:]]' THEN
        RETURN words;
    END IF;
    amount := '\m(?:r\$ ?)?(?:(\d{1,3}(?:[.,]\d)?|um|uma|dois|duas|tr[eê]s|quatro|cinco|seis|sete|oito|nove|dez) ?)?mil\M'
        || '(?: e (cem|duzentos|trezentos|quatrocentos|quinhentos|seiscentos|setecentos|oitocentos|novecentos)\M)?( ' || unit || '\M)?';
    FOR turn IN 1 .. 3 LOOP
        parts := regexp_match(typed, '(?i)' || amount);
        -- "nota mil" is no amount.
        EXIT WHEN parts IS NULL OR parts[1] IS NULL AND parts[2] IS NULL AND parts[3] IS NULL;
        parts[1] := replace(replace(replace(replace(lower(coalesce(parts[1], '1')), 'ê', 'e'), 'uma', 'um'), 'duas', 'dois'), ',', '.');
        n := 1000 * coalesce(array_position(units, parts[1])::numeric,
                             CASE WHEN parts[1] ~ '^\d' THEN parts[1]::numeric ELSE 1 END)
             + 100 * coalesce(array_position(hundreds, lower(parts[2])), 0);
        typed := regexp_replace(typed, '(?i)' || amount, ' r$ ' || n::bigint || ' ', '');
    END LOOP;
    FOR turn IN 2 .. 9 LOOP
        typed := regexp_replace(typed, '(?i)\m' || hundreds[turn] || ' ' || unit || '\M', 'r$ ' || turn * 100, 'g');
    END LOOP;
    typed := regexp_replace(typed, '(?i)\m(?:r\$ ?)?(\d[\d.,]*\d|\d) ?' || unit || '\M', 'r$ \1', 'g');
    typed := regexp_replace(typed, '(?i)\m(?:reais|real) (?=\d)', 'r$ ', 'g');
    -- The area code of a phone of which only a part is given: messages write it glued, or leave it out.
    typed := regexp_replace(typed, '(?:\+?55[ .-]*)?\(0?[1-9]\d\)[ .-]*(?=9?[ .-]?\d{4}(?:[ .-]?\d{1,3})?(?![\d.-]| \d))', '', 'g');
    typed := regexp_replace(typed, '(?<![\d.,/-])(?:\+?55[ .-]*)?0?[1-9]\d[ .-]+(?=9\d{4}(?:-\d{1,3})?(?![\d.-]| \d))', '', 'g');
    -- "Telefone final 4410", "com final 4410".
    RETURN regexp_replace(typed,
        '(?i)(?:\m(?:telefone|tel|fone|celular|cel|numero|número|num|whats|whatsapp|zap|contato|com|que|de|do|o|meu|seu) )*\m(?:final|fim|termina(?:do|ndo)?(?: em| com)?)(?: em)? (?=\d{3,5}\M)',
        'final ', 'g');
END $$;
COMMENT ON FUNCTION search_spelled(text) IS 'What is typed, with amounts in digits and phones without their area code';

-- As before (0080), with round numbers in words; and the end of a number that has dots: "99876.4410".
CREATE OR REPLACE FUNCTION search_number(digits text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY[digits, 'os' || digits, '-' || digits]
        || CASE WHEN length(digits) BETWEEN 4 AND 6
                THEN ARRAY[left(digits, -3) || '.' || right(digits, 3)] ELSE '{}' END
        || CASE WHEN length(digits) = 4 THEN ARRAY['9' || digits] ELSE '{}' END
        || CASE WHEN length(digits) BETWEEN 3 AND 5 THEN coalesce(search_number_words(digits::integer), '{}') ELSE '{}' END
        || CASE WHEN length(digits) >= 4 THEN ARRAY(
               SELECT word FROM search_words
                WHERE word LIKE '%' || digits || '%'
                  AND (word ~ '^-?\d{8,}$' OR word ~ ('^[^0-9]+' || digits || '$') OR word ~ ('^[-+]?\d[\d.]{3,}' || digits || '$'))
                ORDER BY word LIMIT 30) ELSE '{}' END
$$;

-- Whether messages hold a word; null for a word that no index holds ("com").
CREATE FUNCTION search_holds(word text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN lexeme = '' THEN NULL ELSE EXISTS (SELECT FROM search_words w WHERE w.word = lexeme) END
      FROM (SELECT btrim(plainto_tsquery('portuguese_unaccent', word)::text, '''') AS lexeme) l
$$;
COMMENT ON FUNCTION search_holds(text) IS 'Whether messages hold a word; null for words that are not indexed';

-- The two parts of a word that messages write apart: "pendrive" is "pen drive". Both parts are words of messages.
CREATE FUNCTION search_halves(word text) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT left(word, size) || ' ' || substr(word, size + 1)
      FROM generate_series(3, length(word) - 2) AS size
     WHERE length(word) BETWEEN 6 AND 24
       AND (search_holds(substr(word, size + 1)) OR substr(word, size + 1) IN ('tv', 'pc', 'hd'))
       AND search_holds(left(word, size))
     LIMIT 3
$$;
COMMENT ON FUNCTION search_halves(text) IS 'An understood word in two parts, where messages hold both';

-- Two neighbouring words that messages write in one, with a letter they share once: "smart tv" is "smarttv" or "smartv".
CREATE FUNCTION search_joined(typed text) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    WITH tokens AS (
        SELECT t.token, t.place
          FROM regexp_split_to_table(btrim(unaccent(lower(typed))), '[^a-z0-9]+') WITH ORDINALITY AS t (token, place)
         LIMIT 6
    )
    SELECT j.word
      FROM tokens a
      JOIN tokens b ON b.place = a.place + 1
      CROSS JOIN LATERAL (VALUES (a.token || b.token),
                                 (CASE WHEN right(a.token, 1) = left(b.token, 1) THEN a.token || substr(b.token, 2) END)) AS j (word)
     WHERE length(j.word) BETWEEN 5 AND 24 AND j.word !~ '\d' AND a.token ~ '...' AND search_holds(j.word)
$$;
COMMENT ON FUNCTION search_joined(text) IS 'Neighbouring words as messages write them in one';

-- The verb with forms of which a word is a form: "trocamos" is one of "trocar".
CREATE FUNCTION search_infinitive(word text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT f.form FROM search_forms f
     WHERE f.form IN ((search_root(word))[1] || 'ar', (search_root(word))[1] || 'er', (search_root(word))[1] || 'ir')
       AND f.pattern <> '.' AND NOT EXISTS (SELECT FROM search_forms own WHERE own.form = word)
     ORDER BY f.form LIMIT 1
$$;
COMMENT ON FUNCTION search_infinitive(text) IS 'The verb in search_forms that a word is a form of; null for others';

-- As before (0098), of what is typed as it is spelled; and words in one or apart.
CREATE OR REPLACE FUNCTION search_query(words text) RETURNS tsquery LANGUAGE plpgsql STABLE AS $$
DECLARE
    spelled text := search_spelled(regexp_replace(words, '(\w{60})\w+', '\1', 'g'));
    plain text := unaccent(lower(spelled));
    query tsquery := search_query_of_words(spelled);
    target tsquery;
    word text;
    other text;
    rest text;
BEGIN
    IF words ~ '\m\d{4} +- +\d{4}\M' THEN
        query := query || search_query_of_words(regexp_replace(spelled, '\m(\d{4}) +- +(?=\d{4}\M)', '\1 ', 'g'));
    END IF;
    IF spelled ~ '\m9 \d{4}\M' THEN  -- "9 9999" within "41999990012"
        query := query || search_query_of_words(regexp_replace(spelled, '\m9 (\d{4})\M', '9\1', 'g'));
    END IF;
    IF words ~ '"' OR words ~ '(^| )-[[:alnum:]]' OR numnode(query) = 0 THEN
        RETURN (query);
    END IF;
    FOR word, other IN
        SELECT w, h FROM (SELECT DISTINCT w FROM regexp_split_to_table(plain, '[^a-z0-9]+') w WHERE w ~ '^[a-z]{6,24}$' LIMIT 6) t,
                         search_halves(w) h
    LOOP
        target := to_tsquery('portuguese_unaccent', word);
        CONTINUE WHEN numnode(target) <> 1;
        query := ts_rewrite(query, target, target || phraseto_tsquery('portuguese_unaccent', other));
    END LOOP;
    FOR word, other IN
        SELECT w, search_infinitive(w) FROM (SELECT DISTINCT w FROM regexp_split_to_table(plain, '[^a-z0-9]+') w WHERE w ~ '^[a-z]{5,24}$' LIMIT 6) t
    LOOP
        target := to_tsquery('portuguese_unaccent', word);
        CONTINUE WHEN other IS NULL OR numnode(target) <> 1;
        query := ts_rewrite(query, target, target || (SELECT search_variants(f.forms) FROM search_forms f WHERE f.form = other));
    END LOOP;
    FOR word IN SELECT * FROM search_joined(plain) LOOP
        -- The other words of the search stay wanted.
        SELECT btrim(string_agg(t, ' ')) INTO rest FROM regexp_split_to_table(plain, '[^a-z0-9]+') t
         WHERE t <> '' AND strpos(word, t) = 0 AND right(word, length(t) - 1) <> substr(t, 2);
        target := plainto_tsquery('portuguese_unaccent', word);
        IF coalesce(rest, '') <> '' AND numnode(plainto_tsquery('portuguese_unaccent', rest)) > 0 THEN
            target := target && search_query_of_words(rest);
        END IF;
        query := query || target;
    END LOOP;
    IF plain ~ '\m(fim de semana|nota fiscal)\M' THEN
        query := query || search_query_of_words(replace(replace(plain, 'fim de semana', 'fds'), 'nota fiscal', 'nf'));
    END IF;
    RETURN (query);
END $$;

-- As before (0079) of what is typed as it is spelled, and for words that no message holds: the forms of their verb or of
-- the word that they are a typo of. Hits that write the words in one or apart need no more.
ALTER FUNCTION search_recheck(text) RENAME TO search_recheck_of_words;
CREATE FUNCTION search_recheck(words text) RETURNS text LANGUAGE plpgsql STABLE
SET pg_trgm.similarity_threshold = 0.3 AS $$
DECLARE
    spelled text := search_spelled(regexp_replace(words, '(\w{60})\w+', '\1', 'g'));
    result text := search_recheck_of_words(spelled);
    plain text := unaccent(lower(left(spelled, 1000)));
    word text;
    known text;
    others text[] := '{}';
BEGIN
    IF words ~ '["]' OR words ~* '(^| )(or |-)' OR spelled ~* '[a-z] ?\d|[a-z]-[a-z]' AND plain !~ 'r\$ ?\d' THEN
        RETURN result;
    END IF;
    FOR word IN SELECT DISTINCT w FROM regexp_split_to_table(plain, '[^a-z0-9]+') w WHERE w ~ '^[a-z]{6,24}$' LIMIT 6 LOOP
        others := others || ARRAY(SELECT '\m' || replace(h, ' ', '[ -]+') FROM search_halves(word) h);
        CONTINUE WHEN search_holds(word) IS NOT FALSE OR EXISTS (SELECT FROM search_forms f WHERE f.form = word);
        -- A form of a verb with forms, or a typo of a word with forms, as the query takes it.
        SELECT f.pattern || '|' || search_family_pattern(search_root(word)) INTO known
          FROM search_forms f WHERE f.form = search_infinitive(word);
        IF known IS NULL THEN
            SELECT f.pattern INTO known FROM search_forms f
             WHERE left(f.form, 1) = left(word, 1) AND length(f.form) >= 5
               AND levenshtein_less_equal(f.form, word, 2) <= CASE WHEN length(word) >= 8 THEN 2 ELSE 1 END
             ORDER BY levenshtein(f.form, word), f.form LIMIT 1;
        END IF;
        CONTINUE WHEN known = '.';
        IF known IS NULL AND search_root(word) IS NOT NULL THEN
            known := search_family_pattern(search_root(word));
        END IF;
        IF known IS NOT NULL THEN
            known := array_to_string(ARRAY[known, '\m' || word] || search_slips(word)
                                     || ARRAY(SELECT '\m' || n FROM unnest(search_near(word)) n), '|');
            result := coalesce(result, '^') || '(?=.*(' || known || '))';
        END IF;
    END LOOP;
    others := others || ARRAY(SELECT '\m' || j FROM search_joined(plain) j);
    IF plain ~ '\m(fim de semana|nota fiscal)\M' THEN
        others := others || ARRAY['\m(fds|nfe?)\M'];
    END IF;
    RETURN CASE WHEN result IS NOT NULL AND cardinality(others) > 0
                THEN result || '|' || array_to_string(others, '|') ELSE result END;
END $$;
COMMENT ON FUNCTION search_recheck(text) IS 'A pattern that the plain text of a hit must match as well; null: none';
COMMENT ON FUNCTION search_recheck_of_words(text) IS 'search_recheck of words that are spelled already';

-- As before (0080); short words that end in z, r or n have only their plural: "luz" is not "Luzia".
ALTER FUNCTION search_strict(text) RENAME TO search_strict_of_endings;
CREATE FUNCTION search_strict(plain text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN plain ~ '^[a-z]{2,3}[zrn]$' THEN '\m' || plain || '(e?s)?\M' ELSE search_strict_of_endings(plain) END
$$;
COMMENT ON FUNCTION search_strict(text) IS 'A pattern that a word of a hit must match for a typed one, besides its stem';

-- Every form of a verb that has forms: "trocamos" finds "troca", and is found for it.
UPDATE search_forms f SET pattern = f.pattern || '|\m' || (search_root(v.infinitive))[1]
       || CASE WHEN (search_root(v.infinitive))[2] = 'a' THEN '(amos|ar[ae]mos|arei|arao|arem|aram|avam?|ando|ei|ou|assem?)\M'
               ELSE '([ei]mos|[ei]r[ae]mos|[ei]rei|[ei]rao|[ei]rem|[ei]ram|iam?|[ei]ndo|[ei]u)\M' END
  FROM (SELECT form, (SELECT x FROM unnest(forms) x WHERE x ~ '^[a-z]{4,}(ar|er|ir)$' LIMIT 1) AS infinitive FROM search_forms) v
 WHERE v.form = f.form AND v.infinitive IS NOT NULL AND f.pattern <> '.' AND search_root(v.infinitive) IS NOT NULL;

INSERT INTO search_forms (form, pattern, forms)
SELECT unnest(string_to_array(f, ' ')), '\m(' || p || ')\M', string_to_array(f, ' ') FROM (VALUES
        ('qlqr|qlq|qq|qualquer', 'qlqr qlq qq qualquer'), ('qts|qtos|qntos|quantos', 'qts qtos qntos quantos'),
        ('ctz|certeza', 'ctz certeza'), ('gnt|gente', 'gnt gente'), ('qtd|qtde|quantidade', 'qtd qtde quantidade'),
        ('apto|ap|apartamento', 'apto apartamento'), ('av|avenida', 'av avenida'), ('min|minutos?', 'min minuto minutos'),
        ('seg|segunda', 'seg segunda'), ('ter|terca', 'terca'), ('qua|quarta', 'quarta'), ('qui|quinta', 'quinta'), ('dom|domingo', 'dom domingo'),
        ('tec|tecnicos?', 'tec tecnico tecnicos'), ('obs|observac(ao|oes)', 'obs observacao'), ('desc|descont(os?|ar|inho|ou)', 'desc desconto'),
        ('comprov|comprovantes?', 'comprov comprovante'), ('gar|garantias?', 'gar'), ('bls|blz|beleza', 'bls'),
        ('transf|transfer(ir|encias?|i|iu|id[oa]s?|e)|transfiro', 'transf'), ('dpois|dps|depois', 'dpois'), ('obgda|obg|obrigad[oa]s?', 'obgda'),
        ('pgmto|pgto|pagamentos?', 'pgmto'), ('tbem|tb|tbm|tambem', 'tbem'), ('zap|whats ?app|whats|wpp', 'whatsap watsap'),
        ('app|aplicativos?', 'app aplicativo'), ('eletr|eletric[oa]', 'eletr')
    ) AS v (p, f)
ON CONFLICT (form) DO UPDATE SET pattern = excluded.pattern, forms = excluded.forms;
-- A short form alone stands for its long one, too.
UPDATE search_forms SET forms = v.forms
  FROM (VALUES ('gar', '{gar,garantia}'::text[]), ('bls', '{bls,blz,beleza}'), ('transf', '{transf,transferencia,transferir}'),
               ('dpois', '{dpois,dps,depois}'), ('obgda', '{obgda,obg,obrigada}'), ('pgmto', '{pgmto,pgto,pagamento}'),
               ('tbem', '{tbem,tb,tbm,tambem}'), ('whatsap', '{whatsap,whatsapp,zap,whats,wpp}'), ('watsap', '{watsap,whatsapp,zap,whats,wpp}')) AS v (form, forms)
 WHERE search_forms.form = v.form;
UPDATE search_forms SET pattern = '\m(fds|fim de semana|finais de semana)\M', forms = '{fds,fim de semana}' WHERE form = 'fds';
UPDATE search_forms SET pattern = '\m(nf|nfe|nota fiscal)\M', forms = '{nf,nfe,nota fiscal}' WHERE form IN ('nf', 'nfe');

-- The mentions of a message say whether a price is a rough one, a fee or a total (domain/commitments/rules.py).
COMMENT ON COLUMN message_readings.commitments IS
    'Mentions as [kind, side, start, end, amount, due code, length, sort of price]; null: none. No words of the message';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
