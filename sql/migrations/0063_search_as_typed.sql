-- migrate:up

-- Search as people type: order numbers, amounts, models and phones in any spelling, verb and noun, short forms, beginnings
-- of words and typos. All of it is in the query; what is indexed stays as it is.
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;

CREATE TABLE search_words (word text PRIMARY KEY);
CREATE INDEX search_words_trgm_idx ON search_words USING gin (word gin_trgm_ops);
CREATE TABLE search_words_seen (source text PRIMARY KEY CHECK (source IN ('chat', 'webhook')), last_id bigint NOT NULL);
COMMENT ON TABLE search_words IS 'The distinct words of messages as search indexes them: typos and parts of numbers are looked up here';
COMMENT ON COLUMN search_words.word IS '[pii] A word without its ending, or a number';
COMMENT ON TABLE search_words_seen IS 'Up to which message the words are in search_words';
COMMENT ON COLUMN search_words_seen.source IS 'chat (chat_messages) or webhook (conversation_messages)';
COMMENT ON COLUMN search_words_seen.last_id IS 'Id of the last message read';

-- Words that mean one another.
CREATE TABLE search_forms (form text PRIMARY KEY, pattern text NOT NULL, forms text[] NOT NULL);
INSERT INTO search_forms (form, pattern, forms)
SELECT unnest(string_to_array(f, ' ')), '\m(' || p || ')\M', string_to_array(f, ' ') FROM (VALUES
        ('pag(ar|a|o|ou|uei|amos|amentos?|ando|aram|ue|uem|am|os|as|to)|pgto', 'pagar pago paga pagou paguei pagamos pagamento pagamentos pagando pagaram pague pgto pagto'),
        ('format(ar|acao|acoes|ei|ou|ada|ado|am|aram|a|ando)', 'formatar formatacao formatei formatou formatado formatam formataram formatando'),
        ('con[sc]ert(ar|os?|am|ou|aram|ad[oa]s?|a|ei|ando|e|em)', 'consertar conserta conserto consertos consertam consertou consertaram consertado concerto concertar'),
        ('entreg(ar|as?|ue|ues|aram|ou|uei|am|ando|ador|uem|o|amos)', 'entregar entrega entregue entregaram entregou entreguei entregam entregando entregador'),
        ('(re)?aprov(ar|ad[oa]s?|acao|acoes|ei|o|a|ou|aram|em|e)', 'aprovar aprovado aprovacao aprovei aprovo aprovou aprovaram'),
        ('tro(c(ar|as?|ou|aram|ad[oa]s?|am|o|ando)|qu(ei|e|em))', 'trocar troca trocou trocaram troquei trocado trocam trocando'),
        ('limp(ar|eza|aram|ou|[oa]s?|am|ei|ando|ad[oa])', 'limpar limpa limpeza limparam limpou limpo limpam limpei limpando'),
        ('retir(ar|adas?|ei|ou|o|ad[oa]s?|aram|em|e|amos|am)', 'retirar retirada retirei retirou retiro retiraram'),
        ('bus(c(ar|as?|ou|o|am|aram|amos|ando)|qu(ei|e|em))', 'buscar busca busquei buscou busco buscam buscaram'),
        ('compr(ar|as?|ei|ou|o|ad[oa]s?|am|aram|amos|ando)', 'comprar compra comprei comprou compro comprado'),
        ('instal(ar|acao|acoes|ei|ou|ad[oa]s?|a|am|aram|ando)', 'instalar instala instalacao instalei instalou instalado instalam'),
        ('orc(ar|amentos?|ei|ou|ad[oa]s?)?', 'orcamento orcamentos orcar orcei orcado orc'),
        ('devol(v(er|ve|i|eu|id[oa]s?|em|eram|e|o)|ucao|ucoes)', 'devolver devolucao devolvi devolveu devolvido'),
        ('cancel(ar|amentos?|ei|ou|ad[oa]s?|a|o|em|e)', 'cancelar cancelamento cancelei cancelou cancelado'),
        ('agend(ar|amentos?|ei|ou|ad[oa]s?|a|am)', 'agendar agendamento agendei agendou agendado'),
        ('quebr(ar|ou|ad[oa]s?|a|ei|aram|am|ando)', 'quebrar quebrou quebrado quebra quebrei quebraram'),
        ('receb(er|i|eu|imentos?|id[oa]s?|emos|em|eram)', 'receber recebi recebeu recebimento recebido recebemos'),
        ('envi(ar|os?|ei|ou|ad[oa]s?|a|am|aram|e|em)', 'enviar envio enviei enviou enviado enviaram'),
        ('avali(ar|acao|acoes|ei|ou|ad[oa]s?|a|am)', 'avaliar avaliacao avaliei avaliou avaliado'),
        ('repar(ar|os?|ou|ad[oa]s?|am)', 'reparar reparo reparou reparado'),
        ('imprim(ir|e|iu|i|em)|impress(ao|oes)', 'imprimir impressao imprime imprimiu'),
        ('atend(er|imentos?|eu|eram|id[oa]s?|e|em|i)', 'atender atendimento atendeu atenderam atendido'),
        ('transfer(ir|encias?|i|iu|id[oa]s?|e)|transfiro', 'transferir transferencia transferi transferiu'),
        ('deposit(ar|os?|ei|ou|ad[oa]s?)', 'depositar deposito depositei depositou'),
        ('autoriz(ar|acao|o|ei|ou|ad[oa]s?|a)', 'autorizar autorizacao autorizo autorizado autorizou'),
        ('reclam(ar|acao|acoes|ei|ou|a|am|ando)', 'reclamar reclamacao reclamei reclamou'),
        ('recuper(ar|acao|ei|ou|ad[oa]s?|am)', 'recuperar recuperacao recuperei recuperou recuperado'),
        ('configur(ar|acao|acoes|ei|ou|ad[oa]s?)', 'configurar configuracao configurei configurou'),
        ('atualiz(ar|acao|acoes|ei|ou|ad[oa]s?|a)', 'atualizar atualizacao atualizei atualizou'),
        ('demor(ar|as?|ou|ad[oa]s?|am|ando|ei)', 'demorar demora demorou demorado demorando'),
        ('resolv(er|eu|id[oa]s?|em|eram|e|i|o)|solucao|solucoes', 'resolver resolveu resolvido resolveram solucao'),
        ('test(ar|es?|ei|ou|ad[oa]s?|am|aram|ando)', 'testar teste testei testou testado'),
        ('parcel(ar|as?|ad[oa]s?|amentos?|am|ei|o)', 'parcelar parcela parcelado parcelamento'),
        ('visit(ar|as?|ou|ei|am)', 'visitar visita visitou'),
        ('lig(ar|ou|uei|acao|acoes|am|aram|ando|a|ue|uem|o)', 'ligar ligou liguei ligacao ligaram ligando'),
        ('car+eg(ar|adores|ador|a|ou|ando|am)', 'carregar carregador carrega carregou carregando'),
        ('consult(ar|as?|ei|ou)', 'consultar consulta consultei'),
        ('fech(ar|ou|ad[oa]s?|amentos?|a|am|ei)', 'fechar fechou fechado fechamento fecham'),
        ('abr(ir|iu|e|em|i)|abert(ur)?[oa]s?', 'abrir abriu aberto abertura abre abrem'),
        ('garant(ias?|ir|id[oa]s?|e|imos)', 'garantia garantir garantido'),
        ('vend(er|as?|e|em|id[oa]s?|eu|i|o)', 'vender venda vende vendem vendido'),
        ('alug(ar|uel|uei|ou)', 'alugar aluguel aluguei'),
        ('descont(os?|ar|inho|ou)', 'desconto descontar descontinho'),
        -- Short forms.
        ('vcs?|voces?', 'vc vcs voce voces'), ('tb|tbm|tambem', 'tb tbm tambem'), ('hj|hoje', 'hj hoje'),
        ('qdo|qnd|qndo|quando', 'qdo qnd qndo quando'), ('pq|porque', 'pq porque'), ('blz|beleza', 'blz beleza'),
        ('obg|obgd[oa]?|obrigad[oa]s?|brigad[oa]|obrigadao', 'obg obgd obrigado obrigada brigado'),
        ('whats?|whats ?app|wpp|zap|zapzap|zap zap', 'whatsapp zap whats wpp zapzap'),
        ('notes?|notebooks?|notbook|laptops?', 'notebook note notbook laptop'), ('cel|celular(es)?', 'celular cel'),
        ('tv|tvs|televis(ao|or|oes)|televisores', 'tv televisao televisor'), ('pc|pcs|computador(es)?', 'pc computador'),
        ('msgs?|mensagem|mensagens', 'msg mensagem'), ('qto|qnto|quanto', 'qto qnto quanto'),
        ('fds|fim de semana', 'fds'), ('end|endereco', 'end endereco'), ('hrs?|horas?', 'hr hrs hora horas'),
        ('vlr|valor(es)?', 'vlr valor'), ('nf|nfe|nota fiscal', 'nf nfe'),
        ('micro ?-?ondas', 'microondas micro-ondas'), ('vdd|verdade', 'vdd verdade')
    ) AS v (p, f);
COMMENT ON TABLE search_forms IS 'Words that stand for each other in a search: verb and noun, short and long form';
COMMENT ON COLUMN search_forms.form IS 'A word as it is typed, without accents';
COMMENT ON COLUMN search_forms.pattern IS 'A pattern of all its forms: a hit must hold one';
COMMENT ON COLUMN search_forms.forms IS 'The forms that are looked for';

-- The words, other spellings of which are variants of a query: each side by side as written.
CREATE FUNCTION search_variants(variants text[]) RETURNS tsquery LANGUAGE plpgsql STABLE AS $$
DECLARE
    variant text;
    one tsquery;
    result tsquery := '';
    known text[] := '{}';
BEGIN
    FOREACH variant IN ARRAY variants LOOP
        one := CASE WHEN variant ~ '^-\d+$' THEN format('''%s''', variant)::tsquery
                    ELSE phraseto_tsquery('portuguese_unaccent', variant) END;
        CONTINUE WHEN numnode(one) = 0 OR one::text = ANY (known);
        known := known || one::text;
        result := CASE WHEN numnode(result) = 0 THEN one ELSE result || one END;
    END LOOP;
    RETURN result;
END $$;

-- A number of 3 to 11 digits as it is, as an order's, with a thousands dot, after a hyphen, or within a phone.
CREATE FUNCTION search_number(digits text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY[digits, 'os' || digits, '-' || digits]
        || CASE WHEN length(digits) BETWEEN 4 AND 6
                THEN ARRAY[left(digits, -3) || '.' || right(digits, 3)] ELSE '{}' END
        || CASE WHEN length(digits) = 4 THEN ARRAY['9' || digits] ELSE '{}' END
        || CASE WHEN length(digits) >= 4 THEN ARRAY(
               SELECT word FROM search_words WHERE word LIKE '%' || digits || '%' AND word ~ '^-?\d{8,}$'
                ORDER BY word LIMIT 30) ELSE '{}' END
$$;

-- The words known that are one or two letters away from one that is typed: at most five.
CREATE FUNCTION search_near(typed text) RETURNS text[] LANGUAGE sql STABLE AS $$
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
                         OR n.distance = 2 AND length(typed) >= 7 AND length(l.word) >= 6 END
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
                    AND (length(parts[1]) >= 4 OR typed ~ ('\m(final|termina em|telefone|tel|fone|numero|num) ' || parts[1] || '\M')) THEN
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

-- What a hit must hold besides: stems of short words and names collide ("Célia" and "cel"). Null: nothing more.
CREATE FUNCTION search_recheck(words text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    token text;
    plain text;
    wanted text;
    result text := '';
BEGIN
    IF words ~ '["]' OR words ~* '(^| )(or |-)' THEN
        RETURN NULL;
    END IF;
    FOREACH token IN ARRAY regexp_split_to_array(left(words, 1000), '[^[:alnum:]]+') LOOP
        plain := unaccent(lower(token));
        wanted := NULL;
        IF plain ~ '^[a-z]{2,}$' AND words !~* '[a-z] ?\d' THEN
            SELECT f.pattern INTO wanted FROM search_forms f WHERE f.form = plain;
            IF wanted IS NULL AND numnode(to_tsquery('portuguese_unaccent', plain)) = 1 AND EXISTS (
                    SELECT FROM search_words s WHERE s.word = btrim(to_tsquery('portuguese_unaccent', plain)::text, '''')) THEN
                wanted := CASE
                    WHEN token ~ '^[[:upper:]][[:lower:]]{2,5}$' THEN '\m' || plain || 's?\M'
                    -- "casa" is not "caso"; adjectives have both.
                    WHEN plain ~ '^[a-z]{2,3}[ao]$' AND plain !~ '^(nov|car|tod|mei|pret|velh|boa|bo)[ao]$'
                    THEN '\m' || left(plain, -1) || '(?!' || translate(right(plain, 1), 'ao', 'oa') || 's?\M)' END;
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
COMMENT ON FUNCTION search_query(text) IS 'What a person types as a query: spellings, verb and noun, short forms, beginnings, typos';
COMMENT ON FUNCTION search_recheck(text) IS 'A pattern that the plain text of a hit must match as well; null: none';
COMMENT ON FUNCTION search_variants(text[]) IS 'Any of several spellings as a query';
COMMENT ON FUNCTION search_number(text) IS 'The spellings of a number: alone, as an order, with a dot, within a phone';
COMMENT ON FUNCTION search_near(text) IS 'Known words at most two letters away from what was typed';

-- As before, with the second look at each hit.
CREATE OR REPLACE FUNCTION search_messages(
    words text, contact bigint DEFAULT NULL, service_order bigint DEFAULT NULL,
    since timestamp DEFAULT NULL, until timestamp DEFAULT NULL, direction text DEFAULT NULL,
    max_results integer DEFAULT 20, mark_start text DEFAULT '«', mark_end text DEFAULT '»'
) RETURNS TABLE (
    source text, message_id bigint, id_contato bigint, chat_id bigint, sent_at timestamp, side text,
    rank real, snippet text
) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    query tsquery := search_query(words);
    recheck text := search_recheck(words);
    marks text := format('StartSel="%s", StopSel="%s", MaxWords=30, MinWords=10', mark_start, mark_end);
BEGIN
    IF contact IS NOT NULL OR service_order IS NOT NULL THEN
        RETURN QUERY
        WITH mine AS MATERIALIZED (
            SELECT v.source, v.message_id, v.id_contato, v.id_ordem_servico,
                   coalesce(v.id_chat_file, v.conversation_id) AS chat, v.at, v.side, v.text, v.file, v.ordinal, v.search
              FROM messages_all v
             WHERE v.id_contato = contact OR contact IS NULL AND v.id_ordem_servico = service_order
        ), best AS (
            SELECT v.*, ts_rank(v.search, query) AS score
              FROM mine v
             WHERE v.search @@ query
               AND v.text IS NOT NULL
               AND (recheck IS NULL OR plain_text(left(v.text, 5000)) ~ recheck)
               AND (service_order IS NULL OR v.id_ordem_servico = service_order)
               AND (search_messages.direction IS NULL OR v.side = search_messages.direction)
               AND (since IS NULL OR v.at >= since)
               AND (until IS NULL OR v.at < until)
             ORDER BY score DESC, v.at DESC, v.file DESC, v.ordinal DESC
             LIMIT max_results
        )
        SELECT b.source, b.message_id, b.id_contato, b.chat, b.at, b.side, b.score,
               ts_headline('portuguese_unaccent', left(b.text, 20000), query, marks)
          FROM best b
         ORDER BY b.score DESC, b.at DESC, b.file DESC, b.ordinal DESC;
        RETURN;
    END IF;
    RETURN QUERY
    WITH best AS (
        SELECT v.source, v.message_id, v.id_contato, coalesce(v.id_chat_file, v.conversation_id) AS chat, v.at, v.side,
               ts_rank(v.search, query) AS score, v.text, v.file, v.ordinal
          FROM messages_all v
         WHERE v.search @@ query
           AND v.text IS NOT NULL
           AND (recheck IS NULL OR plain_text(left(v.text, 5000)) ~ recheck)
           AND (search_messages.direction IS NULL OR v.side = search_messages.direction)
           AND (since IS NULL OR v.at >= since)
           AND (until IS NULL OR v.at < until)
         ORDER BY score DESC, v.at DESC, v.file DESC, v.ordinal DESC
         LIMIT max_results
    )
    SELECT b.source, b.message_id, b.id_contato, b.chat, b.at, b.side, b.score,
           ts_headline('portuguese_unaccent', left(b.text, 20000), query, marks)
      FROM best b
     ORDER BY b.score DESC, b.at DESC, b.file DESC, b.ordinal DESC;
END $$;


-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
