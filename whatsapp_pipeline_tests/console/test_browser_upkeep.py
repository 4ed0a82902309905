"""In a real browser: a file is read otherwise, and dead letters go back in line."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's `chromium`"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is a development package")
LOG = logging.getLogger(__name__)
PATH = "2025/01/Conversa do WhatsApp com Ana.txt"
# Both orders of day and month fit the first two dates. The third does not exist.
TEXT = """03/01/2025 10:00 - Ana: bom dia
03/01/2025 10:05 - Loja: bom dia, Ana
30/02/2025 10:06 - Ana: e a tela?
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def running(fresh_database_url: str, archive: Path) -> Iterator[RunningConsole]:
    with connect(fresh_database_url) as conn:
        _load(conn, archive)
    with running_console(fresh_database_url, ConsoleConfig(archive=str(archive))) as made:
        yield made


def _load(conn: Connection, archive: Path) -> None:
    """Index and load the month, as a run does."""
    chats = ChatArchive(str(archive))
    index_month(conn, chats, "2025-01", IndexOptions(workers=1), log=LOG)
    load_month(conn, chats, "2025-01", LoadOptions(), log=LOG)


def _months(conn: Connection) -> list[int]:
    rows = conn.execute("SELECT DISTINCT extract(month FROM message_timestamp)::int FROM chat_messages")
    return [row[0] for row in rows]


def _page(browser: Any, running: RunningConsole, *, script: bool) -> Any:
    context = browser.new_context(base_url=running.url, locale="pt-BR", java_script_enabled=script)
    context.add_cookies([{"name": "console", "value": running.session("reviewer"), "url": running.url}])
    return context.new_page()


@pytest.mark.parametrize("script", [True, False])
def test_a_reviewer_chooses_how_a_file_is_read_and_sees_when_it_was(
    browser: Any, running: RunningConsole, archive: Path, script: bool
) -> None:
    page = _page(browser, running, script=script)
    page.goto("/")
    page.get_by_role("link", name="1 arquivo com partes não lidas").click()
    page.get_by_role("link", name=PATH).click()
    assert "30/02/2025" in page.locator("main").inner_text()
    page.get_by_label("Ordem das datas").select_option(label="mês/dia/ano")
    page.get_by_role("button", name="Salvar").click()
    main = page.locator("main")
    assert "Releitura pedida" in main.inner_text()
    assert "datas mês/dia/ano por test-reviewer" in main.inner_text()
    assert "O arquivo ainda não foi lido assim." in main.inner_text()
    with connect(running.database_url) as conn:
        assert _months(conn) == [1]
        _load(conn, archive)
        assert _months(conn) == [3]
    page.reload()
    assert "Lido de novo em" in main.inner_text()
    assert "Releitura pedida" not in main.inner_text()
    page.goto("/unread")
    assert "espera nova leitura" not in main.inner_text()
    page.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_dead_letters_go_back_in_line(browser: Any, running: RunningConsole, script: bool) -> None:
    with connect(running.database_url) as conn:
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, body, status, attempts, error)"
            " SELECT gen_random_uuid(), now(), '{}', 'dead', 5, 'KeyError ' || n FROM generate_series(1, 3) n"
        )
    page = _page(browser, running, script=script)
    page.goto("/")
    page.get_by_role("link", name="3 entregas do WhatsApp").click()
    page.get_by_role("button", name="Processar de novo: 2").click()
    assert "1 entrega voltou para a fila." in page.locator("main").inner_text()
    assert "KeyError 2" not in page.locator("main").inner_text()
    page.get_by_role("button", name="Processar todas de novo").click()
    assert "2 entregas voltaram para a fila." in page.locator("main").inner_text()
    assert "Nenhuma entrega parada." in page.locator("main").inner_text()
    with connect(running.database_url) as conn:
        assert conn.execute("SELECT count(*) FROM webhook_inbox WHERE status = 'pending'").fetchone() == (3,)
        people = conn.execute("SELECT DISTINCT actor, action FROM audit_log").fetchall()
    assert people == [("test-reviewer", "replay")]
    page.context.close()
