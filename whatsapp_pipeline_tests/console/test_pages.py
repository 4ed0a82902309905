"""What each page shows, to whom, and what it records; asked over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from whatsapp_pipeline.console.pages import conversation, search
from whatsapp_pipeline.store.chats.search_words import add_new_words
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.message_order import MESSAGE_ORDER
from whatsapp_pipeline.store.operations.console_views import view_subject
from whatsapp_pipeline_tests.console.people import PreparedPeople
from whatsapp_pipeline_tests.console.running import KEY, LEVELS, RunningConsole, text_of

MESSAGES_OF_ANA = 134


@pytest.fixture
def analyst(console: RunningConsole, people: PreparedPeople) -> Iterator[httpx.Client]:
    with console.client("analyst") as client:
        yield client


@pytest.fixture
def reader(console: RunningConsole, people: PreparedPeople) -> Iterator[httpx.Client]:
    with console.client("reader") as client:
        yield client


def _shown(html: str) -> list[str]:
    """The names of the messages on a page, in order."""
    return re.findall(r'<article class="said[^"]*" id="([^"]+)">', html)


def _link(html: str, more: str) -> str | None:
    found = re.search(rf'data-more="{more}" href="([^"#]+)', html)
    return found[1].replace("&amp;", "&") if found else None


def _in_order(console: RunningConsole, condition: str) -> list[str]:
    with connect(console.database_url) as conn:
        statement = f"SELECT source || ':' || message_id FROM messages_all WHERE {condition}"
        rows = conn.execute(f"{statement} ORDER BY {MESSAGE_ORDER}".encode())
        return [row[0] for row in rows]


def test_older_and_newer_pages_have_every_message_once_in_order(
    console: RunningConsole, analyst: httpx.Client
) -> None:
    expected = _in_order(console, "id_contato = 7")
    assert len(expected) == MESSAGES_OF_ANA
    page = analyst.get("/customers/7").text
    assert _link(page, "newer") is None
    backwards = _shown(page)
    assert len(backwards) == 50
    while older := _link(page, "older"):
        page = analyst.get(older).text
        backwards = _shown(page) + backwards
    assert backwards == expected
    forwards = _shown(page)
    while newer := _link(page, "newer"):
        page = analyst.get(newer).text
        forwards += _shown(page)
    assert forwards == expected


def test_a_message_that_comes_meanwhile_moves_no_page(console: RunningConsole, analyst: httpx.Client) -> None:
    older = _link(analyst.get("/customers/7").text, "older")
    assert older is not None
    before = _shown(analyst.get(older).text)
    with connect(console.database_url) as conn:
        row = conn.execute(
            "INSERT INTO conversation_messages (conversation_id, role, text, origin, phone_number_id,"
            " message_key, sent_at) SELECT id, 'user', 'acabei de escrever', 'message', 'shop', 'new', now()"
            " FROM conversations RETURNING id"
        ).fetchone()
        assert row is not None
        try:
            assert _shown(analyst.get(older).text) == before
            assert _shown(analyst.get("/customers/7").text)[-1] == f"webhook:{row[0]}"
        finally:
            conn.execute("DELETE FROM conversation_messages WHERE id = %s", row)


def test_a_date_opens_the_conversation_there(analyst: httpx.Client, people: PreparedPeople) -> None:
    page = analyst.get("/customers/7?day=2025-02-01").text
    days = re.findall(r'<h3 class="day"><time datetime="([^"]+)"', page)
    assert days == ["2025-01-06", "2025-02-01"]  # a little of what came before
    assert len(_shown(page)) == 3 + 4
    assert _shown(analyst.get("/customers/7?day=2020-01-01").text)[0] == f"chat:{people.first}"
    assert len(_shown(analyst.get("/customers/7?day=2030-01-01").text)) == 3


def test_words_are_found_one_after_the_other(analyst: httpx.Client, people: PreparedPeople) -> None:
    page = analyst.get("/customers/7?find=orcamento").text
    assert "1 de 1" in text_of(page)
    assert f'class="said here" id="chat:{people.first + 40}"' in page
    page = analyst.get("/customers/7?find=tela&hit=2").text
    assert "2 de 129" in text_of(page)
    for words, link in (("Anterior", "hit=1"), ("Próxima", "hit=3")):
        assert re.search(rf'href="/customers/7\?find=tela&amp;{link}#chat:\d+">{words}', page)
    assert "Nenhuma mensagem com “inexistente”" in text_of(analyst.get("/customers/7?find=inexistente").text)


def test_messages_are_shown_as_what_they_are(analyst: httpx.Client, people: PreparedPeople) -> None:
    page = analyst.get("/customers/7").text
    said = dict(re.findall(r'id="((?:chat|webhook):\d+)">(.*?)</article>', page, re.DOTALL))
    edited, revoked = said[f"webhook:{people.edited}"], said[f"webhook:{people.revoked}"]
    assert "texto corrigido" in edited
    assert "editada" in edited
    assert "texto com erro" in edited.partition("<details")[2]
    assert "Mensagem apagada" in revoked
    assert "segredo" not in page
    answer = said[f"webhook:{people.edited + 2}"]
    assert (
        f'class="quote" href="/customers/7?around=webhook:{people.edited}#webhook:{people.edited}"' in answer
    )
    assert "lida" in answer
    assert "Imagem" in said[f"webhook:{people.edited + 3}"]
    early = analyst.get(f"/customers/7?around=chat:{people.reply}").text
    assert f'<a class="quote" href="/customers/7?around=chat:{people.first}#chat:{people.first}">' in early


def test_a_message_has_an_address(analyst: httpx.Client, people: PreparedPeople) -> None:
    moved = analyst.get(f"/messages/chat:{people.first}")
    assert moved.headers["location"] == f"/customers/7?around=chat:{people.first}#chat:{people.first}"
    moved = analyst.get(f"/messages/chat:{people.stranger}")
    assert re.fullmatch(
        rf"/chats/chat:\d+\?around=chat:{people.stranger}#chat:{people.stranger}", moved.headers["location"]
    )
    assert _shown(analyst.get(moved.headers["location"]).text) == [
        f"chat:{people.stranger + n}" for n in range(3)
    ]
    for unfit in ("chat:999999", "chat:x", "mail:1", "chat:", "webhook:99999999999999999999"):
        assert analyst.get(f"/messages/{unfit}").status_code == 404


def test_a_copy_leads_to_the_message_that_it_repeats(
    console: RunningConsole, analyst: httpx.Client, people: PreparedPeople
) -> None:
    with connect(console.database_url) as conn, conn.transaction():
        conn.execute(
            "UPDATE chat_messages SET duplicate_of = %s WHERE id = %s", (people.first, people.first + 1)
        )
    try:
        moved = analyst.get(f"/messages/chat:{people.first + 1}")
        assert moved.headers["location"].endswith(f"#chat:{people.first}")
    finally:
        with connect(console.database_url) as conn:
            conn.execute("UPDATE chat_messages SET duplicate_of = NULL")


def test_a_customers_page_has_summary_orders_and_months(
    analyst: httpx.Client, people: PreparedPeople
) -> None:
    page = analyst.get("/customers/7").text
    words = text_of(page)
    assert "Pediu orçamento de tela." in words
    claim = f"chat:{people.first + 40}"
    assert f'href="/customers/7?around={claim}#{claim}"' in page
    assert "Em aberto desde 01/02/2025: sem resposta" in words
    assert 'href="/orders/30415?id=70"' in page
    assert "notebook Exemplo 15" in words
    assert "(41) 99999-0007" in words
    assert re.findall(r'<th scope="row">([^<]+)</th>', page) == ["01/2025", "02/2025", "03/2025"]


def test_an_order_shows_its_sessions_and_what_lies_between(
    analyst: httpx.Client, console: RunningConsole
) -> None:
    page = analyst.get("/orders/30415").text
    assert _shown(page) == _in_order(console, "id_ordem_servico = 70")
    words = text_of(page)
    assert "número da OS citado" in words
    assert "confiança 99%" in words
    assert "pelo conjunto das evidências" in words
    assert "confiança 80%" in words
    # From 11:40 to 13:50, a message every ten minutes.
    assert "14 mensagens de outros assuntos antes" in words


def test_two_orders_with_one_number_are_a_choice(analyst: httpx.Client) -> None:
    page = analyst.get("/orders/555").text
    assert 'href="/orders/555?id=71"' in page
    assert 'href="/orders/00555?id=80"' in page
    assert "Rui Melo" in text_of(analyst.get("/orders/555?id=80").text)
    assert "Nenhuma conversa foi ligada" in text_of(analyst.get("/orders/-?id=90").text)
    for unfit in ("/orders/31000", "/orders/30415?id=999", "/orders/30415?id=x", "/orders/0", "/orders/"):
        assert analyst.get(unfit).status_code == 404


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("conceicao", {7}),
        ("SOUZA ana", {7}),
        ("padaria", {7}),
        ("99999-0007", {7}),
        ("9999-0007", {7}),
        ("0007", {7}),
        ("+55 41 99999-0007", {7}),
        ("041 9999 0007", {7}),
        ("(41) 9 9999", {7, 8}),
        ("30415", set()),
        ("souza rui", set()),
        ("100%", set()),
        ("_", set()),
    ],
)
def test_customers_are_found_by_part_of_name_or_phone(
    analyst: httpx.Client, words: str, found: set[int]
) -> None:
    page = analyst.get("/search", params={"q": words}).text
    part = page.partition('id="found-customers"')[2].partition("</section>")[0]
    assert {int(number) for number in re.findall(r'href="/customers/(\d+)"', part)} == found


def test_orders_are_found_by_number(analyst: httpx.Client) -> None:
    for words, links in (
        ("30415", ["/orders/30415?id=70"]),
        ("OS 30415", ["/orders/30415?id=70"]),
        ("#555", ["/orders/00555?id=80", "/orders/555?id=71"]),
    ):
        page = analyst.get("/search", params={"q": words}).text
        part = page.partition('id="found-orders"')[2].partition("</section>")[0]
        assert re.findall(r'href="(/orders/[^"]+)"', part) == links


def _hits(page: str) -> list[str]:
    return re.findall(r'<p class="meta"><a href="[^"]*(?:around=|/messages/)([a-z]+:\d+)', page)


def test_messages_are_found_page_by_page(analyst: httpx.Client, console: RunningConsole) -> None:
    for sort in ("rank", "date"):
        page = analyst.get("/search", params={"q": "tela", "sort": sort}).text
        found = _hits(page)
        assert len(found) == 20
        while more := re.search(r'href="(/search\?[^"]+after=[^"]+)"', page):
            page = analyst.get(more[1].replace("&amp;", "&")).text
            found += _hits(page)
        expected = _in_order(console, "search @@ search_query('tela') AND text IS NOT NULL")
        assert sorted(found) == sorted(expected)
        if sort == "date":
            assert found == expected[::-1]


def test_every_filter_of_a_search_counts(analyst: httpx.Client, people: PreparedPeople) -> None:
    assert _hits(analyst.get("/search", params={"q": "orcamento"}).text) == [f"chat:{people.first + 40}"]
    for query, count in (
        ({"q": "tela", "until": "2025-01-04"}, 0),
        ({"q": "resposta OR corrigido", "since": "2025-02-01"}, 2),
        ({"q": "resposta OR corrigido", "side": "to"}, 1),
        ({"q": "tela", "kind": "image"}, 1),
        ({"q": "tela", "customer": "8"}, 0),
        ({"q": "pergunta", "customer": "7"}, 0),
        ({"q": "prazo orcamento", "phrase": "1"}, 0),
        ({"q": "prazo do orcamento", "phrase": "1"}, 1),
        ({"q": "", "customer": "7", "kind": "image"}, 1),
        ({"q": "tela 130", "order": "70"}, 0),
        ({"q": "tela 5", "order": "70"}, 1),
    ):
        assert len(_hits(analyst.get("/search", params=query).text)) == count, query
    marked = analyst.get("/search", params={"q": "orcamento"}).text
    assert "<mark>orçamento</mark>" in marked


def test_more_hits_in_a_conversation_than_are_counted_are_the_newest(
    analyst: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "_MOST_HITS", 20)
    assert "20 de 20 mais recentes" in text_of(analyst.get("/customers/7?find=tela").text)
    monkeypatch.setattr(conversation, "_MOST_HITS", 130)
    assert "mais recentes" not in text_of(analyst.get("/customers/7?find=tela").text)


def test_a_common_term_asks_for_less_and_offers_the_newest(
    analyst: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_TOO_COMMON", 50)
    page = analyst.get("/search", params={"q": "tela", "side": "from"}).text
    assert "mensagens demais" in page
    assert not _hits(page)
    newest = re.search(r'class="notice">[^<]*<a href="([^"]+)">Ver as mais recentes', page)
    assert newest is not None
    page = analyst.get(newest[1].replace("&amp;", "&")).text
    assert newest[1].endswith("side=from&amp;sort=date")
    assert len(_hits(page)) == 20
    assert "mensagens demais" not in page
    for narrow in ({"customer": "7"}, {"since": "2025-01-01", "until": "2025-01-31"}):
        assert len(_hits(analyst.get("/search", params={"q": "tela", **narrow}).text)) == 20


def test_a_search_with_a_typo_says_what_it_took_it_for(
    console: RunningConsole, analyst: httpx.Client
) -> None:
    with connect(console.database_url) as conn:
        add_new_words(conn)
    page = analyst.get("/search", params={"q": "orsamemto"}).text
    assert "<mark>orçamento</mark>" in page
    assert 'Você quis dizer <a href="/search?q=or%C3%A7amento"><bdi>orçamento</bdi></a>?' in page
    assert "Você quis dizer" not in analyst.get("/search", params={"q": "orcamento"}).text


@pytest.mark.parametrize(
    ("form", "address"),
    [
        ({"who": "7"}, "/search?q=tela&customer=7"),
        ({"who": "conceicao"}, "/search?q=tela&customer=7"),
        ({"who": "9999-0008", "side": "to"}, "/search?q=tela&side=to&customer=8"),
        ({"os": "#30415", "sort": "date"}, "/search?q=tela&order=70&sort=date"),
        ({"who": "ana", "os": "30415"}, "/search?q=tela&customer=7&order=70"),
        ({"os": "30415", "customer": "7"}, "/search?q=tela&customer=7&order=70"),
    ],
)
def test_the_form_narrows_a_search_to_a_customer_or_an_order(
    analyst: httpx.Client, form: dict[str, str], address: str
) -> None:
    answer = analyst.get("/search", params={"q": "tela", **form})
    assert answer.headers["location"] == address
    page = analyst.get(address).text
    for name in form:
        if name in {"who", "os"}:
            assert f'name="{name}"' not in page  # the filter stands there in its place
        else:
            assert f'name="{name}"' in page
    assert "remover" in page


def test_the_form_asks_which_customer_or_order_is_meant(analyst: httpx.Client) -> None:
    page = analyst.get("/search", params={"q": "tela", "who": "(41) 9 9999", "kind": "image"}).text
    part = page.partition('id="choices"')[2].partition("</section>")[0]
    assert re.findall(r'href="([^"]+)"', part) == [
        "/search?q=tela&amp;customer=7&amp;kind=image",
        "/search?q=tela&amp;customer=8&amp;kind=image",
    ]
    assert "Ana Conceição Souza (cliente nº 7)" in text_of(part)
    page = analyst.get("/search", params={"q": "tela", "os": "555"}).text
    part = page.partition('id="choices"')[2].partition("</section>")[0]
    assert re.findall(r'href="([^"]+)"', part) == [
        "/search?q=tela&amp;order=80",
        "/search?q=tela&amp;order=71",
    ]
    for form in ({"who": "nobody of this name"}, {"os": "31000"}, {"os": "0"}, {"who": "%"}):
        page = analyst.get("/search", params={"q": "tela", **form}).text
        assert "Nenhum cliente ou nenhuma OS" in page, form
        assert not _hits(page)
        assert "remover" not in page


def test_a_choice_of_many_customers_says_that_there_are_more(
    analyst: httpx.Client, console: RunningConsole
) -> None:
    def choices() -> tuple[int, bool]:
        page = analyst.get("/search", params={"q": "tela", "who": "homônimo"}).text
        part = page.partition('id="choices"')[2].partition("</section>")[0]
        return part.count("<li>"), "Há mais clientes" in part

    with connect(console.database_url) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome) SELECT 900 + n, 'Homônimo ' || n FROM generate_series(1, 8) n"
        )
        try:
            assert choices() == (8, False)
            conn.execute("INSERT INTO contatos (id, nome) VALUES (909, 'Homônimo 9')")
            assert choices() == (8, True)
        finally:
            conn.execute("DELETE FROM contatos WHERE id > 900")


def test_a_page_that_begins_within_a_session_does_not_say_what_was_before_the_session(
    analyst: httpx.Client, people: PreparedPeople
) -> None:
    inside = text_of(analyst.get(f"/orders/30415?id=70&after=chat:{people.first + 38}").text)
    assert "05/01/2025 14:00 Vínculo" in inside
    assert "mensagens de outros assuntos antes" not in inside


def test_an_order_has_archive_and_live_messages_in_one_stream(
    analyst: httpx.Client, console: RunningConsole
) -> None:
    with connect(console.database_url) as conn:
        row = conn.execute(
            "INSERT INTO chat_sessions (id_conversation, number, started_at, ended_at, message_count,"
            " id_ordem_servico, order_match_status, order_match_method, order_match_confidence)"
            " SELECT id, 1, '2025-02-01 09:00', '2025-02-01 09:05', 4, 70, 'linked', 'model', 0.85"
            " FROM conversations WHERE id_contato = 7 RETURNING id"
        ).fetchone()
        assert row is not None
        try:
            page = analyst.get("/orders/30415?id=70").text
        finally:
            conn.execute("DELETE FROM chat_sessions WHERE id = %s", row)
    refs = re.findall(r'<article class="said[^"]*" id="(chat|webhook):\d+"', page)
    assert refs == ["chat"] * 34 + ["webhook"] * 4
    times = re.findall(r'<time datetime="(\d{4}-\d\d-\d\dT[^"]+)"', page)
    assert times == sorted(times)
    assert len(times) == 38
    sessions = re.findall(r'<p class="session"[^>]*><strong>(.*?)</strong>', page)
    assert sessions == ["05/01/2025 08:10", "05/01/2025 14:00", "01/02/2025 09:00"]
    assert "resposta da loja" in page
    assert "mensagem sobre a tela 1<" in page


def test_an_order_without_sessions_says_so_once(console: RunningConsole) -> None:
    for level in ("reader", "analyst"):
        with console.client(level) as client:
            page = text_of(client.get("/orders/555?id=71").text)
        assert page.count("Nenhuma conversa foi ligada a esta ordem de serviço.") == 1


def test_an_empty_search_says_what_the_level_may_search(console: RunningConsole) -> None:
    for level in LEVELS[:2]:
        is_for_messages = level == "analyst"
        with console.client(level) as client:
            page = text_of(client.get("/search").text)
        assert ("palavras de uma mensagem" in page) is is_for_messages
        assert ("Escreva o nome de um cliente ou o número de uma OS." in page) is not is_for_messages


def test_a_filter_is_taken_away_alone(analyst: httpx.Client) -> None:
    page = analyst.get("/search", params={"q": "tela", "customer": "7", "order": "70", "side": "to"}).text
    assert "Só nas mensagens de Ana Conceição Souza · remover" in text_of(page)
    assert "Só na OS 30415 · remover" in text_of(page)
    assert 'href="/search?q=tela&amp;side=to&amp;order=70">remover' in page
    assert 'href="/search?q=tela&amp;side=to&amp;customer=7">remover' in page


def test_a_note_is_pinned_changed_and_taken_away(analyst: httpx.Client, console: RunningConsole) -> None:
    saved = analyst.post("/customers/7/note", data={"note": " Prefere ligação.\r\n<b>Cuidado</b> "})
    assert saved.headers["location"] == "/customers/7"
    with console.client("reader") as reader:
        page = reader.get("/customers/7").text
        assert "Prefere ligação.\n&lt;b&gt;Cuidado&lt;/b&gt;" in page
        assert "por test-analyst" in text_of(page)
        assert reader.post("/customers/7/note", data={"note": "x"}).status_code == 403
    assert "Prefere ligação." in analyst.get("/customers/7?note=edit").text
    assert analyst.post("/customers/7/note", data={"note": "x" * 2001}).status_code == 413
    assert analyst.post("/customers/99/note", data={"note": "x"}).status_code == 404
    analyst.post("/customers/7/note", data={"note": "  "})
    assert "Nenhuma nota" in text_of(analyst.get("/customers/7").text)


def test_a_reader_sees_no_message_and_no_phone_by_any_address(
    reader: httpx.Client, people: PreparedPeople, console: RunningConsole
) -> None:
    ref = f"chat:{people.first}"
    allowed = [
        "/",
        "/customers/7",
        "/customers/13",
        "/orders/30415",
        "/orders/555",
        "/search?q=tela",
        "/account",
        "/search?q=ana",
        "/search?q=0007",
        f"/customers/7?around={ref}",
        "/customers/7?find=tela",
        "/search?customer=7&kind=image",
        "/customers/7?note=edit",
        "/orders/30415?day=2025-01-05",
    ]
    for path in allowed:
        answer = reader.get(path)
        assert answer.status_code == 200, path
        assert "<article" not in answer.text
        for secret in ("mensagem sobre", "99999", "resposta da loja", "Padaria"):
            assert secret not in answer.text, (path, secret)
    assert "notebook Exemplo 15" in reader.get("/orders/30415").text  # as in v_orders
    for path in (
        f"/messages/{ref}",
        f"/attachments/{ref}",
        "/chats/chat:1",
        "/print/customers/7",
        "/print/orders/70",
        "/export/customers/7",
        "/export/orders/70",
    ):
        assert reader.get(path).status_code == 403, path
    with connect(console.database_url) as conn:
        row = conn.execute(
            "SELECT count(*) FROM console_views v JOIN console_users u ON u.id = v.id_user"
            " WHERE u.name = 'test-reader'"
        ).fetchone()
    assert row == (0,)


def test_what_was_stored_is_shown_as_text(analyst: httpx.Client) -> None:
    for path in (
        "/customers/13",
        "/search?q=hyperlink",
        "/search?q=alert",
        "/print/customers/13",
        "/export/customers/13",
    ):
        page = analyst.get(path).text
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;alert(1)" in page or "&lt;script&gt;<mark>alert</mark>(1)" in page, path
        assert "{{7*7}}" in page, path
        assert "\x1b" not in page
        assert "\u202e" not in page


_CONTROLS = "\x00\x07\x08\x1b\x7f\x9b\u2028\u202a\u202e\u2066\u2069"


def test_no_control_character_of_stored_text_reaches_a_page(
    console: RunningConsole, analyst: httpx.Client
) -> None:
    evil = _CONTROLS.replace("\x00", "")  # PostgreSQL stores none
    with connect(console.database_url) as conn:
        texts = (f"praga{evil}", f"OS{evil}9", f"tela{evil}")
        conn.execute("INSERT INTO contatos (id, nome, celular) VALUES (14, %s, '41 99999-0014')", texts[:1])
        conn.execute(
            "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, equipamento, id_contato)"
            " VALUES (140, %s, '0', %s, 14)",
            texts[1:],
        )
        chat = conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, title, id_contato, match_status,"
            " processing_status) VALUES (%(t)s, %(t)s, '2025-01', %(t)s, 14, 'linked', 'loaded')"
            " RETURNING id",
            {"t": texts[0]},
        ).fetchone()
        message = conn.execute(
            "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,"
            " message_text, responding_to, sender_name, attachment_name, line, body_hash)"
            " VALUES (%(c)s, 1, '2025-01-02', 'from', 'text', %(t)s, %(t)s, %(t)s, %(t)s, 1, 1) RETURNING id",
            {"c": chat[0] if chat else None, "t": texts[0]},
        ).fetchone()
    assert chat
    assert message
    try:
        paths = [
            "/",
            "/customers/14",
            f"/orders/{quote(texts[1], safe='')}",
            "/search?q=praga",
            f"/search?q={quote(evil)}x",
            f"/messages/chat:{message[0]}",
            f"/chats/chat:{chat[0]}",
            "/print/customers/14",
            "/print/orders/140",
            "/export/customers/14",
            "/export/orders/140",
        ]
        for path in paths:
            answer = analyst.get(path, follow_redirects=True)
            assert answer.status_code in {200, 404}, path
            for shown in (answer.text, "".join(answer.headers.values())):
                assert sorted(map(ascii, set(_CONTROLS) & set(shown))) == [], path
            if "14" in path:
                assert "praga\ufffd" in answer.text, path
    finally:
        with connect(console.database_url) as conn:
            conn.execute("DELETE FROM chat_messages WHERE id = %s", message)
            conn.execute("DELETE FROM chat_files WHERE id = %s", chat)
            conn.execute("DELETE FROM ordens_servico WHERE id = 140")
            conn.execute("DELETE FROM contatos WHERE id = 14")


def test_every_view_is_on_record_and_none_without(console: RunningConsole, people: PreparedPeople) -> None:
    subject = view_subject(KEY, 7, "")

    def records() -> dict[str, int]:
        with connect(console.database_url) as conn:
            return dict(
                conn.execute(
                    "SELECT v.action, sum(v.pages) FROM console_views v"
                    " JOIN console_users u ON u.id = v.id_user"
                    " WHERE u.name = 'vera' AND v.subject = %s GROUP BY 1",
                    (subject,),
                ).fetchall()
            )

    with console.client("analyst", name="vera") as vera:
        vera.get("/search?q=ana")  # finds a customer and no message
        assert records() == {}
        vera.get("/customers/7")
        vera.get("/orders/30415")
        assert records() == {"view": 2}
        vera.get("/search?q=orcamento")
        vera.get("/print/customers/7")
        vera.get("/export/orders/70")
        vera.post("/customers/7/note", data={"note": "oi"})
        assert records() == {"view": 2, "search": 1, "print": 1, "export": 1, "note": 1}
        vera.get(f"/chats/chat:{_chat_of(console, people.stranger)}")
        with connect(console.database_url) as conn:
            row = conn.execute(
                "SELECT count(DISTINCT v.subject) FROM console_views v"
                " JOIN console_users u ON u.id = v.id_user WHERE u.name = 'vera'"
            ).fetchone()
            assert row == (2,)
            # No record, no page: here the table refuses every row.
            conn.execute("ALTER TABLE console_views ADD CONSTRAINT closed CHECK (false) NOT VALID")
            try:
                for path in ("/customers/7", "/orders/30415", "/search?q=orcamento", "/print/customers/7"):
                    refused = vera.get(path)
                    assert refused.status_code == 500, path
                    assert "orçamento" not in refused.text.replace("Orçamento", "orçamento")
            finally:
                conn.execute("ALTER TABLE console_views DROP CONSTRAINT closed")


def _chat_of(console: RunningConsole, message: int) -> int:
    with connect(console.database_url) as conn:
        row = conn.execute("SELECT id_chat_file FROM chat_messages WHERE id = %s", (message,)).fetchone()
    assert row is not None
    return int(row[0])


def test_paper_and_file_say_where_they_are_from(analyst: httpx.Client, console: RunningConsole) -> None:
    page = analyst.get("/print/customers/7?until=2025-01-31").text
    words = text_of(page)
    assert "Gerado por test-analyst, " in words
    assert "do início até 31/01/2025" in words
    assert "130 do arquivo de conversas, 0 recebidas ao vivo" in words
    assert page.count("<li class=") == 130
    sent = analyst.get("/export/customers/7")
    assert re.fullmatch(
        r'attachment; filename="conversa-cliente-7-\d{8}-\d{4}.html"', sent.headers["content-disposition"]
    )
    assert sent.text.count("<li class=") == MESSAGES_OF_ANA
    assert "segredo" not in sent.text
    for outside in ("src=", "href=", "<script", "url(", "@import"):
        assert outside not in sent.text, "the file loads something"
    order = analyst.get("/export/orders/70").text
    assert order.count("<li class=") == len(_in_order(console, "id_ordem_servico = 70"))
    assert analyst.get("/print/customers/99").status_code == 404
    assert analyst.get("/export/orders/99").status_code == 404


def test_the_heading_counts_every_message(analyst: httpx.Client, console: RunningConsole) -> None:
    with connect(console.database_url) as conn:
        conn.execute(
            "UPDATE chat_messages SET direction = NULL WHERE message_text LIKE 'mensagem sobre a tela 12_'"
        )
        try:
            words = text_of(analyst.get("/print/customers/7").text)
        finally:
            conn.execute("UPDATE chat_messages SET direction = 'from' WHERE direction IS NULL")
    found = re.search(
        r"Mensagens 134 \((\d+) do cliente, (\d+) da equipe, (\d+) de lado desconhecido\)", words
    )
    assert found is not None
    assert sum(map(int, found.groups())) == MESSAGES_OF_ANA
    assert found[3] == "10"


@pytest.mark.parametrize(("count", "folded", "is_cut"), [(7, 0, False), (100, 92, False), (101, 92, True)])
def test_a_customer_s_older_orders_are_folded(
    analyst: httpx.Client, console: RunningConsole, count: int, folded: int, is_cut: bool
) -> None:
    with connect(console.database_url) as conn:
        conn.execute(
            "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, data_emissao, id_contato)"
            " SELECT 1000 + n, (40000 + n)::text, '0', date '2025-02-01' + n, 7"
            " FROM generate_series(1, %s) n",
            (count - 2,),  # Ana has two
        )
        try:
            page = analyst.get("/customers/7").text
        finally:
            conn.execute("DELETE FROM ordens_servico WHERE id > 1000")
    shown, _, rest = page.partition("Ordens mais antigas")
    assert len(re.findall(r'<li><a href="/orders/', shown)) == min(count, 8)
    assert len(re.findall(r'<li><a href="/orders/', rest)) == folded
    assert ("Há mais ordens" in page) == is_cut


def test_the_home_page_shows_what_was_promised(reader: httpx.Client, console: RunningConsole) -> None:
    with connect(console.database_url) as conn, conn.transaction():
        conn.execute(
            "INSERT INTO commitments (source, message_id, number, id_contato, kind, side, said_at, due_on,"
            " evidence_start, evidence_end)"
            " SELECT 'chat', id, 1, 7, 'deadline_promised', 'staff', now() - interval '2 days',"
            " current_date - 1, 0, 1 FROM chat_messages ORDER BY id LIMIT 1"
        )
    try:
        page = reader.get("/").text
        assert "Atrasados: 1" in text_of(page)
        assert "prazo prometido para" in page
        assert 'href="/customers/7"' in page
    finally:
        with connect(console.database_url) as conn:
            conn.execute("DELETE FROM commitments")


def test_the_home_page_shows_what_was_promised_in_a_chat_without_a_customer(
    reader: httpx.Client, analyst: httpx.Client, console: RunningConsole
) -> None:
    with connect(console.database_url) as conn, conn.transaction():
        row = conn.execute(
            "INSERT INTO commitments (source, message_id, number, id_chat_file, kind, side, said_at, due_on,"
            " evidence_start, evidence_end)"
            " SELECT 'chat', id, 1, id_chat_file, 'deadline_promised', 'staff', now() - interval '2 days',"
            " current_date - 1, 0, 1 FROM chat_messages ORDER BY id LIMIT 1"
            " RETURNING message_id, id_chat_file"
        ).fetchone()
    assert row is not None
    message, chat = row
    try:
        shown = reader.get("/").text
        assert f"chat {chat} (sem cliente)" in text_of(shown)
        assert f"/messages/chat:{message}" not in shown  # a reader reads no messages
        link = f"/messages/chat:{message}"
        assert f'href="{link}"' in analyst.get("/").text
        assert analyst.get(link, follow_redirects=True).status_code == 200
    finally:
        with connect(console.database_url) as conn:
            conn.execute("DELETE FROM commitments")


def test_the_home_page_counts_what_is_there(analyst: httpx.Client, console: RunningConsole) -> None:
    words = text_of(analyst.get("/").text)
    assert "01/2025 3 2 66,7%" in words
    assert "30415 Ana Conceição Souza" in words
    with connect(console.database_url) as conn, conn.transaction():
        conn.execute(
            "INSERT INTO qa_results (check_name, month, examined, failing, severity, run_id, evaluated_at)"
            " VALUES ('chats_are_linked', '2025-01', 3, 1, 'error', 'run-1', now())"
        )
    try:
        page = analyst.get("/").text
        assert 'href="http://127.0.0.1:3000/runs/run-1">chats_are_linked' in page
        assert "1 / 3" in page
    finally:
        with connect(console.database_url) as conn:
            conn.execute("DELETE FROM qa_results")
