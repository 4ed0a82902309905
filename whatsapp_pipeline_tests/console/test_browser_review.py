"""In a real browser: thirty decisions that outlast the next run, and an order in another screen."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.signed_links import OrderLink, link_path
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.decide import relink_months
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations import console_access
from whatsapp_pipeline_tests.console.accessibility import problems_of
from whatsapp_pipeline_tests.console.people import write_people
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console
from whatsapp_pipeline_tests.processes import free_port
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat, add_contact

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's `chromium`"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is a development package")
ITEMS = 30
LINKS = (
    "SELECT id, match_status, match_method, id_contato, match_flags FROM chat_files ORDER BY id",
    "SELECT id_chat_file, rank, id_contato, confidence, method FROM match_candidates ORDER BY 1, 2",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


def _links(url: str) -> list[Any]:
    with connect(url) as conn:
        return [conn.execute(statement.encode()).fetchall() for statement in LINKS]


def _run(url: str) -> None:
    """Link the month again, as the next run of the pipeline does."""
    with connect(url) as conn:
        relink_months(conn, ["2025-01"], default_area_code=None, log=logging.getLogger(__name__))


def test_thirty_decisions_by_keyboard_outlast_the_next_run(browser: Any, fresh_database_url: str) -> None:
    """Each of thirty phones is of two contacts, so the rules leave thirty chats in doubt."""
    url = fresh_database_url
    with connect(url) as conn:
        for n in range(ITEMS):
            phone = f"(41) 99999-{n:04d}"
            add_contact(conn, 2 * n + 1, f"Pessoa {n} Um", phone)
            add_contact(conn, 2 * n + 2, f"Pessoa {n} Dois", phone)
            add_chat(conn, f"+55 {phone}", path=f"2025/01/{n}.txt")
        normalize_contacts(conn, default_area_code=None, log=logging.getLogger(__name__))
    _run(url)
    before = _links(url)
    assert {row[1] for row in before[0]} == {"ambiguous"}
    with running_console(url) as running:
        decided = _decide_all(browser, running)
        assert len(decided) == ITEMS
        links = {row[0]: (row[1], row[3]) for row in _links(url)[0]}
        assert links == {chat: ("manual", contact) for chat, contact in decided.items()}
        _run(url)
        assert {row[0]: (row[1], row[3]) for row in _links(url)[0]} == links
        with connect(url) as conn:
            made = [row[0] for row in conn.execute("SELECT id FROM link_overrides ORDER BY id")]
        random.Random(23).shuffle(made)
        with running.client("reviewer", name="rita") as rita:
            for number in made:
                undone = rita.post(f"/review/decisions/{number}/undo")
                assert undone.headers["location"] == f"/review/history?undone={number}"
        assert {row[1] for row in _links(url)[0]} == {"pending"}
        _run(url)
        assert _links(url) == before


def _decide_all(browser: Any, running: RunningConsole) -> dict[int, int | None]:
    """Decide on every item of the queue with keys alone; return the contact of each chat."""
    context = browser.new_context(base_url=running.url, locale="pt-BR")
    context.add_cookies([{"name": "console", "value": running.session("reviewer"), "url": running.url}])
    page = context.new_page()
    page.goto("/review/next")
    decided: dict[int, int | None] = {}
    while found := re.search(r"/review/chat:(\d+)", page.url):
        key = ("1", "2", "n")[len(decided) % 3]
        link = page.locator(".candidates .who a").nth(int(key) - 1) if key != "n" else None
        decided[int(found[1])] = int(link.get_attribute("href").rpartition("/")[2]) if link else None
        with page.expect_navigation():
            page.keyboard.press(key)
        page.locator("button.primary:focus").wait_for()  # it is focused just after the page is loaded
        with page.expect_navigation():
            page.keyboard.press("Enter")
    assert "Nada espera decisão" in page.locator("main").inner_text()
    context.close()
    return decided


KEYS = (("k1", b"s" * 32),)
ERROR_FRAME = "chrome-error://chromewebdata/"


@pytest.fixture
def embedding(fresh_database_url: str) -> Iterator[RunningConsole]:
    write_people(fresh_database_url)
    with connect(fresh_database_url) as conn:
        console_access.add_link_users(conn, dict(KEYS))
    with running_console(fresh_database_url, ConsoleConfig(link_keys=KEYS)) as running:
        yield running


@contextlib.contextmanager
def _screen(running: RunningConsole, **settings: str) -> Iterator[str]:
    """Run the guide's example program; yield its address."""
    port = free_port()
    environment = {
        **os.environ,
        "CONSOLE_URL": running.url,
        "CONSOLE_LINK_KEYS": "k1:" + "s" * 32,
        "PORT": str(port),
        **settings,
    }
    program = PROJECT_ROOT / "docs" / "examples" / "order_screen.py"
    with subprocess.Popen([sys.executable, program], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            ready = httpx.Client(transport=httpx.HTTPTransport(retries=30))
            assert ready.get(f"http://127.0.0.1:{port}/").status_code == 404
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()  # a child inherits a SIGTERM that is ignored where the tests run


def test_the_guides_screen_frames_an_order(browser: Any, embedding: RunningConsole) -> None:
    """Older messages open in the frame, without a login."""
    with connect(embedding.database_url) as conn:  # with more messages than a page shows
        conn.execute("UPDATE chat_sessions SET ended_at = '2025-01-06 06:00' WHERE number = 3")
    page = browser.new_page()
    with _screen(embedding) as screen:
        page.goto(f"{screen}/30415/70")
        frame = page.frame_locator("iframe")
        assert frame.get_by_role("heading", level=1).inner_text() == "Ordem de serviço 30415"
        first = frame.get_by_text("mensagem sobre a tela 1", exact=True)
        assert first.count() == 0
        while not first.count():
            begins_with = frame.locator("li").first.inner_text()
            frame.get_by_role("link", name="Mensagens mais antigas").click()
            sync_api.expect(frame.locator("li").first).not_to_have_text(begins_with, use_inner_text=True)
        assert frame.get_by_role("link", name="Mensagens mais antigas").count() == 0
        frame.get_by_role("link", name="Mensagens mais novas").click()
        sync_api.expect(first).to_have_count(0)
        assert page.url == f"{screen}/30415/70"
        assert page.context.cookies() == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_an_embedded_order_is_accessible_and_fits(
    browser: Any, embedding: RunningConsole, scheme: str, width: int
) -> None:
    expires = int(time.time()) + 600
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    found = []
    for level in ("reader", "analyst"):
        link = OrderLink("30415", 70, level, expires, KEYS[0][0], ())
        page.goto(embedding.url + link_path(link, KEYS[0][1]))
        assert "30415" in page.get_by_role("heading", level=1).inner_text()
        found += [(level, *problem) for problem in problems_of(page)]
    page.goto(embedding.url + link_path(replace(link, expires=1), KEYS[0][1]))
    found += [("expired", *problem) for problem in problems_of(page)]
    context.close()
    assert found == []


def test_no_other_origin_frames_an_order_and_none_another_page(
    browser: Any, embedding: RunningConsole
) -> None:
    page = browser.new_page()

    @contextlib.contextmanager
    def refused(policy: str) -> Iterator[None]:
        """Wait until the browser has named the policy and shows its own error in the frame instead."""
        with (
            page.expect_console_message(lambda message: policy in message.text),
            page.expect_event("framenavigated", lambda frame: frame.url == ERROR_FRAME),
        ):
            yield

    with _screen(embedding, ORIGIN="https://erp.example") as screen:
        with refused("frame-ancestors https://erp.example"):
            page.goto(f"{screen}/30415/70")
        with refused("frame-ancestors 'none'"):
            page.evaluate(f"document.querySelector('iframe').src = '{embedding.url}/login'")
        assert [frame.url for frame in page.frames[1:]] == [ERROR_FRAME]
    page.close()
