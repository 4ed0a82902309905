"""The console in a real browser: the walk of somebody who answers the phone, and what each page must keep to.

Debian's Chromium is driven by Playwright. Without a browser these tests are skipped; `.ci/run` fails instead.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.console.pages import conversation
from whatsapp_pipeline.console.passwords import hash_password
from whatsapp_pipeline.store.chats.rereads import request_reread
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations import console_access
from whatsapp_pipeline_tests.console.accessibility import problems_of
from whatsapp_pipeline_tests.console.people import PreparedPeople
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="no Chromium here: install Debian's `chromium`; the pages were tried over HTTP only",
    ),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is a development package")
PASSWORD = "uma senha comprida"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, console: RunningConsole, people: PreparedPeople) -> Iterator[Callable[..., Any]]:
    """Return what opens a browser page, logged in at a level where one is given.

    At the end, no page may have asked another address for anything, nor run into its own policy.
    """
    contexts, complaints, asked = list[Any](), list[str](), list[str]()

    def opened(level: Any = None, **options: Any) -> Any:
        context = browser.new_context(
            base_url=console.url, locale="pt-BR", **{"viewport": DESKTOP, **options}
        )
        contexts.append(context)
        if level is not None:
            context.add_cookies([{"name": "console", "value": console.session(level), "url": console.url}])
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [address for address in asked if not address.startswith(console.url)] == []
    # What a browser says of a 403 or 404 page is no complaint.
    assert [text for text in complaints if "the server responded with a status of" not in text] == []


def _visible_at_top(page: Any, selector: str) -> bool:
    """Whether the element stands within the window, below the bar."""
    box = page.locator(selector).bounding_box()
    return bool(box) and 0 <= box["y"] < page.viewport_size["height"]


@pytest.mark.parametrize("with_script", [True, False], ids=["with script", "without script"])
def test_somebody_at_the_counter_finds_what_was_said(
    open_page: Callable[..., Any], console: RunningConsole, people: PreparedPeople, with_script: bool
) -> None:
    with connect(console.database_url) as conn:
        console_access.add_user(conn, "carla", "analyst")
        carla = console_access.user_named(conn, "carla")
        assert carla is not None
        console_access.set_password(conn, carla.id, hash_password(PASSWORD))
    page = open_page(java_script_enabled=with_script)

    # A link into the console survives the login.
    page.goto("/orders/30415?id=70")
    page.get_by_label("Usuário").fill("carla")
    page.get_by_label("Senha").fill(PASSWORD)
    page.get_by_role("button", name="Entrar").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Ordem de serviço 30415"

    # The customer calls: part of the phone, written in any way.
    page.locator("#top-q").fill("9 9999-0007")
    page.get_by_role("button", name="Buscar").first.click()
    page.get_by_role("link", name="Ana Conceição Souza").first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "Ana Conceição Souza"
    assert "Pediu orçamento de tela." in page.locator("main").inner_text()

    # A sentence of the summary leads to the message that it rests on.
    page.get_by_role("link", name="mensagem 1").click()
    cited = f'[id="chat:{people.first + 40}"]'
    assert page.locator(cited).get_attribute("class") == "said here"
    assert _visible_at_top(page, cited)

    # A quote jumps to what it answers.
    page.goto(f"/customers/7?around=chat:{people.reply}#chat:{people.reply}")
    page.locator(f'[id="chat:{people.reply}"] a.quote').click()
    assert page.url.endswith(f"#chat:{people.first}")
    assert _visible_at_top(page, f'[id="chat:{people.first}"]')

    # A date.
    page.get_by_label("Ir para a data").fill("2025-02-01")
    page.get_by_role("button", name="Ir", exact=True).click()
    assert page.locator(".day").last.inner_text() == "sábado, 01/02/2025"
    assert "texto corrigido" in page.locator(".talk").inner_text()

    # Words in this conversation, one hit after the other.
    page.get_by_label("Localizar nesta conversa").fill("tela")
    page.get_by_role("button", name="Localizar", exact=True).click()
    assert "129 de 129" in page.locator(".found").inner_text()
    page.get_by_role("link", name="Anterior").click()
    assert "128 de 129" in page.locator(".found").inner_text()
    assert _visible_at_top(page, ".said.here")

    # Words in all conversations; the hit opens in its context.
    page.locator("#top-q").fill("prazo orçamento")
    page.get_by_role("button", name="Buscar").first.click()
    assert page.locator("mark").first.inner_text() == "prazo"
    page.locator(".hit a").first.click()
    assert _visible_at_top(page, cited)
    assert "mensagem sobre a tela 40" in page.locator(".talk").inner_text()

    # Older messages: a link, which the script answers in place.
    before = page.locator("article.said").count()
    page.get_by_role("link", name="Mensagens mais antigas").click()
    if with_script:
        page.wait_for_function("n => document.querySelectorAll('article.said').length > n", arg=before)
        assert page.locator(cited).count() == 1
    assert page.locator(f'[id="chat:{people.first}"]').count() == 1

    # Paper.
    page.goto("/customers/7")
    page.get_by_role("link", name="Imprimir").click()
    assert "Gerado por\ncarla" in page.locator("header").inner_text()
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert page.locator("li").count() == 134

    page.goto("/")
    page.emulate_media(media="screen")
    page.get_by_role("button", name="Sair").click()
    page.goto("/customers/7")
    assert page.url.startswith(f"{console.url}/login?next=")


def test_the_script_saves_clicks(open_page: Callable[..., Any], console: RunningConsole) -> None:
    page = open_page("analyst", permissions=["clipboard-read", "clipboard-write"])
    page.goto("/customers/7")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "top-q"
    page.keyboard.type("a/b")  # while somebody types, a slash is a slash
    assert page.locator("#top-q").input_value() == "a/b"
    days = page.locator(".day").all_inner_texts()
    while page.locator("a[data-more=older]").count():
        before = page.locator("article.said").count()
        page.locator("a[data-more=older]").click()
        page.wait_for_function("n => document.querySelectorAll('article.said').length > n", arg=before)
        days = page.locator(".day").all_inner_texts()
    assert page.locator("article.said").count() == 134
    assert len(days) == len(set(days)) == 3  # no heading twice
    link = page.locator("article.said .meta a").first
    link.click()
    page.wait_for_selector("#status:not(:empty)", state="attached")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == console.url + str(link.get_attribute("href"))


def test_older_and_newer_messages_name_each_session_once(
    open_page: Callable[..., Any], people: PreparedPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page begins in the middle of a session, and so does the last one."""
    monkeypatch.setattr(conversation, "PAGE_SIZE", 8)
    page = open_page("analyst")
    for start, name in (
        ("", "Mensagens mais antigas"),
        (f"&around=chat:{people.first}", "Mensagens mais novas"),
    ):
        page.goto(f"/orders/30415?id=70{start}")
        link = page.get_by_role("link", name=name)
        while link.count():
            shown = page.locator(".said").count()
            link.click()
            page.wait_for_function("count => document.querySelectorAll('.said').length > count", arg=shown)
        assert page.locator(".said").count() == 21 + 13
        sessions = page.locator(".session strong").all_inner_texts()
        assert sessions == ["05/01/2025 08:10", "05/01/2025 14:00"]
        assert page.locator(".day").count() == 1
        assert page.locator(".folded").all_inner_texts() == ["14 mensagens de outros assuntos antes"]


def _two_frames(page: Any) -> None:
    """Wait until the browser has drawn twice, so that it has reported what came into view."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.mark.parametrize(
    ("more", "start"), [("older", ""), ("newer", "?around=chat:{first}")], ids=["older", "newer"]
)
def test_scrolling_presses_the_link_to_more_messages(
    open_page: Callable[..., Any],
    people: PreparedPeople,
    monkeypatch: pytest.MonkeyPatch,
    more: str,
    start: str,
) -> None:
    """Once for each time that the link comes into view, and only when somebody scrolls."""
    monkeypatch.setattr(conversation, "PAGE_SIZE", 30)
    page = open_page("analyst")
    page.goto(f"/customers/7{start.format(first=people.first)}")
    said, link = page.locator("article.said"), page.locator(f"a[data-more={more}]")
    shown = said.count()
    link.focus()  # the Tab key shows it as well, and must not press it
    assert _visible_at_top(page, f"a[data-more={more}]")
    _two_frames(page)
    assert said.count() == shown

    page.mouse.move(640, 400)
    page.mouse.wheel(0, 10_000 if more == "older" else -10_000)
    page.wait_for_function(
        "more => { const at = document.querySelector(`a[data-more=${more}]`).getBoundingClientRect();"
        " return at.bottom < 0 || at.top > innerHeight; }",
        arg=more,
    )
    assert said.count() == shown
    beside = said.first if more == "older" else said.last
    name = beside.get_attribute("id")
    link.evaluate("link => link.scrollIntoView({block: 'center', behavior: 'instant'})")
    page.wait_for_function("n => document.querySelectorAll('article.said').length > n", arg=shown)
    assert said.count() == shown + 30
    _two_frames(page)
    assert said.count() == shown + 30
    # What was being read stays where it was.
    assert _visible_at_top(page, f'[id="{name}"]')


def test_scrolling_leaves_the_page_where_no_messages_come(open_page: Callable[..., Any]) -> None:
    page = open_page("analyst")
    page.goto("/customers/7")
    page.context.clear_cookies()  # somebody logged out in another window
    page.mouse.move(640, 400)
    page.mouse.wheel(0, 10_000)
    link = page.locator("a[data-more=older]")
    page.wait_for_function("document.querySelector('a[data-more=older]').getBoundingClientRect().bottom < 0")
    with page.expect_response(lambda answer: "/login" in answer.url):
        link.evaluate("link => link.scrollIntoView({block: 'center', behavior: 'instant'})")
    _two_frames(page)
    assert page.url.endswith("/customers/7")
    link.click()
    page.wait_for_url("**/login?next=**")


def test_the_print_button_is_there_where_it_works(open_page: Callable[..., Any]) -> None:
    for script in (True, False):
        page = open_page("analyst", java_script_enabled=script)
        page.goto("/print/customers/7")
        assert page.locator("button[data-print]").is_visible() == script


def test_a_reader_sees_no_messages(open_page: Callable[..., Any], people: PreparedPeople) -> None:
    page = open_page("reader")
    page.goto("/customers/7")
    assert "As mensagens não aparecem no seu nível de acesso." in page.locator("main").inner_text()
    assert page.locator("article, a[href*=print], a.cite").count() == 0
    page.goto(f"/messages/chat:{people.first}")
    assert page.get_by_role("heading", level=1).inner_text() == "Sem acesso"


def test_stored_script_does_not_run(open_page: Callable[..., Any]) -> None:
    page = open_page("analyst")
    dialogs: list[str] = []

    def dismiss(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    for path in ("/customers/13", "/search?q=hyperlink", "/print/customers/13"):
        page.goto(path)
        assert "<script>alert(1)</script> {{7*7}} ' OR 1=1;--" in page.locator("body").inner_text()
    assert dialogs == []


@pytest.fixture
def doubts(console: RunningConsole, people: PreparedPeople) -> Iterator[dict[str, int]]:
    """Thirty chats in doubt, each with two candidates, for one test; other tests count messages."""
    from uuid import uuid4

    from whatsapp_pipeline_tests.console.doubts import add_candidates, add_doubt

    prefix = uuid4().hex[:8]  # decisions on the chats of another test are about their paths
    with connect(console.database_url) as conn, conn.transaction():
        chats = {f"K{n}": add_doubt(conn, f"{prefix}-K{n}", "ambiguous", None, 2) for n in range(30)}
        for number, chat in enumerate(chats.values()):
            add_candidates(conn, chat, [(7, 0.6), (8, 0.3)] if number % 2 else [(8, 0.6), (7, 0.3)])
    yield chats
    with connect(console.database_url) as conn:
        conn.execute("DELETE FROM chat_files WHERE filename LIKE %s", (f"{prefix}-K%",))


def test_a_reviewer_decides_by_keyboard_alone(
    open_page: Callable[..., Any], console: RunningConsole, doubts: dict[str, int]
) -> None:
    page = open_page("reviewer")
    page.goto("/review/next")
    expected: dict[int, int | None] = {}
    while (found := re.search(r"/review/chat:(\d+)", page.url)) and int(found[1]) in doubts.values():
        chat = int(found[1])
        key = ("1", "2", "n")[len(expected) % 3]
        link = page.locator(".candidates .who a").nth(int(key) - 1) if key != "n" else None
        expected[chat] = int(link.get_attribute("href").rpartition("/")[2]) if link else None
        with page.expect_navigation():
            page.keyboard.press(key)
        assert page.get_by_role("heading", level=1).inner_text() == "Confirmar decisão"
        with page.expect_navigation():
            page.keyboard.press("Enter")
    # The last is taken back with a key, comes back into the queue, and is decided again.
    with page.expect_navigation():
        page.keyboard.press("u")
    assert "Decisão desfeita" in page.locator("main").inner_text()
    page.goto(f"/review/chat:{chat}")
    with page.expect_navigation():
        page.keyboard.press("2")
    expected[chat] = int(page.locator('input[name="choice"]').input_value().partition(":")[2])
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert len(expected) == len(doubts)
    with connect(console.database_url) as conn:
        decided = conn.execute(
            "SELECT id, id_contato FROM chat_files WHERE match_status = 'manual' AND id = ANY(%s)",
            (list(doubts.values()),),
        ).fetchall()
    assert dict(decided) == expected


def test_keys_are_off_while_somebody_types_or_wants_none(
    open_page: Callable[..., Any], doubts: dict[str, int]
) -> None:
    page = open_page("reviewer")
    path = f"/review/chat:{doubts['K0']}"
    page.goto(path)
    for pressed in ("Control+1", "Alt+1", "Meta+1", "Shift+n", "Shift+s"):
        page.keyboard.press(pressed)
        assert page.evaluate("location.pathname") == path, pressed
    page.keyboard.press("o")
    page.keyboard.type("n1su?")
    assert page.url.endswith(path)
    assert page.locator("#who").input_value() == "n1su?"
    page.locator("h1").click()
    page.keyboard.press("Shift+?")
    assert page.locator("#keys").get_attribute("open") is not None
    for key in ("1–9", "Esc"):
        assert key in page.locator("#keys").inner_text()
    page.get_by_label("Usar teclas").uncheck()
    page.reload()
    page.keyboard.press("1")
    assert page.url.endswith(path)
    page.locator("#keys summary").click()
    page.get_by_label("Usar teclas").check()
    with page.expect_navigation():
        page.locator("h1").click()
        page.keyboard.press("1")
    assert "/decide?" in page.url


def test_a_decision_needs_no_script(
    open_page: Callable[..., Any], console: RunningConsole, doubts: dict[str, int]
) -> None:
    page = open_page("reviewer", java_script_enabled=False)
    page.goto("/review")
    page.get_by_role("link", name="Começar").click()
    chat = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("button", name="É este").nth(1).click()
    page.get_by_label("Motivo").fill("pela voz")
    page.get_by_role("button", name="Confirmar").click()
    assert "Decisão registrada" in page.locator("main").inner_text()
    page.get_by_role("button", name="Desfazer").click()
    assert "Decisão desfeita" in page.locator("main").inner_text()
    with connect(console.database_url) as conn:
        row = conn.execute("SELECT match_status FROM chat_files WHERE title = %s", (chat,)).fetchone()
    assert row == ("pending",)


PAGES = (
    "/",
    "/account",
    "/search",
    "/search?q=tela",
    "/search?q=0007",
    "/search?q=nada%20disso",
    "/customers/7",
    "/customers/7?note=edit",
    "/customers/7?find=tela",
    "/customers/8",
    "/customers/13",
    "/orders/30415",
    "/orders/555",
    "/orders/-?id=90",
    "/chats/chat:2",
    "/customers/7?day=2025-02-01",
    "/orders/30415?id=70&find=tela",
    "/print/customers/7",
    "/print/orders/70",
    "/customers/999",
    "/commitments",
    "/commitments?list=broken",
    "/?waiting=1",
    "/?handled=1",
    "/login",
    "/login/once/x",
)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "viewport": PHONE},
    "narrow and dark": {"color_scheme": "dark", "viewport": PHONE},
}


@pytest.fixture
def upkeep(console: RunningConsole, people: PreparedPeople) -> Iterator[dict[str, int]]:
    """Rows that fill every part of the pages, for one test; other tests count what waits.

    Yields the ids of a live conversation in doubt, of a judged chat and of a chat with a session in doubt.
    """
    from whatsapp_pipeline_tests.console.doubts import add_live_doubt, add_session_doubt

    with connect(console.database_url) as conn, conn.transaction():
        conn.execute(
            "INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail) VALUES"
            " ('chat_messages', 'ruim.txt', '2025-01', 4, 'line_unread', 'error', 'no date that fits')"
        )
        # A group is nobody's, so it does not wait for a reviewer.
        conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, match_status, is_group)"
            " VALUES ('ruim.txt', 'ruim.txt', '2025-01', 'group', true)"
        )
        request_reread(conn, "ruim.txt", {"format": "ios", "date_order": None}, requested_by="rita")
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, body, status, error)"
            " SELECT gen_random_uuid(), now(), '{}', status, 'KeyError'"
            " FROM unnest('{dead,pending,parked}'::text[]) status"
        )
        conn.execute(
            "INSERT INTO qa_results (check_name, month, examined, failing, severity, run_id, evaluated_at)"
            " VALUES ('dates', '2025-01', 9, 2, 'error', 'r', now()), ('orders', NULL, 9, 1, 'warn', NULL,"
            " now())"
        )
        conn.execute(
            "INSERT INTO commitments (source, message_id, number, id_contato, kind, side, said_at, due_on,"
            " evidence_start, evidence_end)"
            " VALUES ('chat', %s, 1, 7, 'deadline_promised', 'staff', now(), current_date - 1, 0, 1)",
            (people.first,),
        )
        conn.execute(
            "INSERT INTO customer_notes (id_contato, note, made_by) VALUES (7, 'Liga antes.', 'rita')"
        )
        live = add_live_doubt(conn, "4199990055", "Léo", 2)
        chat, session = add_session_doubt(conn)
        judged = conn.execute(
            "INSERT INTO review_verdicts (id_chat_file, verdict, match_status, id_contato, reviewer,"
            " is_blind) SELECT id, 'right', match_status, id_contato, 'test-reviewer', true FROM chat_files"
            " WHERE filename = 'H' RETURNING id_chat_file"
        ).fetchone()
        assert judged is not None
    yield {"live": live, "judged": judged[0], "chat": chat}
    with connect(console.database_url) as conn, conn.transaction():
        conn.execute("DELETE FROM review_verdicts WHERE reviewer = 'test-reviewer'")
        conn.execute("DELETE FROM chat_sessions WHERE id = %s", (session,))
        conn.execute("DELETE FROM conversations WHERE id = %s", (live,))
        conn.execute("DELETE FROM customer_notes WHERE made_by = 'rita'")
        conn.execute("DELETE FROM commitments WHERE source = 'chat' AND message_id = %s", (people.first,))
        conn.execute("DELETE FROM qa_results WHERE check_name IN ('dates', 'orders')")
        conn.execute("DELETE FROM webhook_inbox WHERE error = 'KeyError'")
        conn.execute("DELETE FROM chat_files WHERE filename = 'ruim.txt'")  # its choice goes with it
        conn.execute("DELETE FROM exceptions WHERE file_path = 'ruim.txt'")


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_and_fits(
    open_page: Callable[..., Any], look: str, doubts: dict[str, int], upkeep: dict[str, int]
) -> None:
    page = open_page("reviewer", **LOOKS[look])
    found = []
    item = f"/review/chat:{doubts['K1']}"
    review = (
        "/review",
        item,
        f"{item}?who=ana",
        f"{item}/decide?choice=contact:8&shown=x",
        f"{item}/decide?choice=no_contact&shown=x",
        f"/review/chat:{upkeep['chat']}/2",
        f"/review/chat:{upkeep['chat']}/2?who=555",
        f"/review/chat:{upkeep['chat']}/2/decide?choice=order:70&shown=x",
        f"/review/webhook:{upkeep['live']}",
        f"/review/webhook:{upkeep['live']}/decide?choice=contact:8&shown=x",
        f"/chats/webhook:{upkeep['live']}",
        "/review/history",
        "/review/history?problem=1",
        "/review/sample",
        f"/review/sample?judged={upkeep['judged']}",
        "/unread",
        "/unread/file?path=ruim.txt",
        "/deliveries?replayed=1",
    )
    for path in (*PAGES, "/search?q=tela&who=9999", "/search?q=tela&os=1", *review):
        page.goto(path)
        found += [(path, *problem) for problem in problems_of(page)]
    # The answer to a decision on what has changed since it was shown.
    page.goto(f"{item}/decide?choice=contact:8&shown=x")
    page.get_by_role("button", name="Confirmar").click()
    assert "decid" in page.get_by_role("heading", level=1).inner_text().lower()
    found += [("decided meanwhile", *problem) for problem in problems_of(page)]
    assert found == []


@pytest.mark.parametrize("look", LOOKS)
def test_pages_of_a_console_without_data_are_accessible_and_fit(
    browser: Any, fresh_database_url: str, look: str
) -> None:
    found = []
    with running_console(fresh_database_url) as running:
        context = browser.new_context(
            base_url=running.url, locale="pt-BR", **{"viewport": DESKTOP, **LOOKS[look]}
        )
        context.add_cookies([{"name": "console", "value": running.session("reviewer"), "url": running.url}])
        page = context.new_page()
        for path in (
            "/",
            "/review",
            "/review/history",
            "/review/sample",
            "/unread",
            "/deliveries",
            "/search",
        ):
            page.goto(path)
            found += [(path, *problem) for problem in problems_of(page)]
        context.close()
    assert found == []


def test_a_long_message_goes_on_on_the_next_sheet(
    open_page: Callable[..., Any], console: RunningConsole, people: PreparedPeople
) -> None:
    """One that is kept together leaves the rest of the sheet before it empty."""
    with connect(console.database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) VALUES (8008, 'Lara Longo')")
        chat = conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, title, id_contato, match_status,"
            " processing_status) VALUES ('L', 'L', '2025-01', 'L', 8008, 'linked', 'loaded') RETURNING id"
        ).fetchone()
        assert chat is not None
        conn.execute(
            "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,"
            " message_text, line, body_hash) VALUES (%(c)s, 1, '2025-01-05', 'from', 'text', %(t)s, 1, 1),"
            " (%(c)s, 2, '2025-01-05', 'from', 'text', 'curta', 2, 2)",
            {"c": chat[0], "t": "palavra " * 600},
        )
        page = open_page("analyst")
        try:
            for path, message in (("/print/customers/8008", "li"), ("/customers/8008", "article.said")):
                page.goto(path)
                page.emulate_media(media="print")
                breaks = page.locator(message).evaluate_all(
                    "all => all.map(m => getComputedStyle(m).breakInside)"
                )
                assert breaks == ["auto", "avoid"], path
        finally:
            conn.execute("DELETE FROM chat_messages WHERE id_chat_file = %s", chat)
            conn.execute("DELETE FROM chat_files WHERE id = %s", chat)
            conn.execute("DELETE FROM contatos WHERE id = 8008")


def test_the_export_opens_without_the_console(open_page: Callable[..., Any], tmp_path: Path) -> None:
    page = open_page("analyst")
    page.goto("/orders/30415")
    with page.expect_download() as download:
        page.get_by_role("link", name="Exportar").click()
    assert re.fullmatch(r"conversa-os-70-\d{8}-\d{4}\.html", download.value.suggested_filename)
    saved = tmp_path / "order.html"
    download.value.save_as(saved)
    alone = page.context.browser.new_page(offline=True)
    asked: list[str] = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(saved.as_uri())
    assert "mensagem sobre a tela 1" in alone.locator("main").inner_text()
    assert asked == [saved.as_uri()]
    alone.close()
