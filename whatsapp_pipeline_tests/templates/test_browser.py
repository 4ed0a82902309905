"""Both pages as a browser lays them out: on a phone, in the dark, and on paper."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.definitions import rule_book
from whatsapp_pipeline.steps.operations import qa_report
from whatsapp_pipeline.steps.summaries.customer import dossier
from whatsapp_pipeline.steps.summaries.customer_page import customer_page
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.prepared import MONTHS, Prepared

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
)
PHONE = 390  # pixels of a usual phone
# The page is laid out in a frame of its own: it runs no script, so the frame around it measures.
FRAME = """<!doctype html><body style="margin:0"><iframe src="{page}" width="{width}" height="3000"></iframe>
<pre id="found"></pre><script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument, body = getComputedStyle(page.body);
  const wide = [...page.querySelectorAll("body *")].filter(one => !one.closest(".scroll")
    && one.getBoundingClientRect().right > {width} + 1).map(one => one.tagName + "." + one.className);
  document.querySelector("#found").textContent = JSON.stringify({{
    width: page.documentElement.scrollWidth, wide, colour: body.color, paper: body.backgroundColor,
    size: parseFloat(body.fontSize), loaded: page.querySelectorAll("main section").length}});
}};
</script>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; Debian's package chromium has one"),
]
PAGES = ["customer.html", "qa.html"]


@pytest.fixture(scope="module")
def site(
    prepared_url: str, prepared: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """Both pages on loopback; the customer has a name and a message without a place to break them."""
    folder = tmp_path_factory.mktemp("site")
    with connect(prepared_url) as conn:
        row = conn.execute("SELECT min(id_contato) FROM customer_chat_summaries").fetchone()
        assert row is not None
        known = dossier(conn, row[0])
        rules = rule_book(with_erp=True).rules()
        report = qa_report.make(
            conn, MONTHS, prepared.history, rules, made_at=datetime(2026, 1, 2, tzinfo=UTC)
        )
    known.contact["nome"] = "Maria " + "x" * 120
    known.messages[0]["text"] = "y" * 300
    (folder / "customer.html").write_text(customer_page(known), encoding="utf-8")
    (folder / "qa.html").write_text(report.html, encoding="utf-8")
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the base class's name
        """Write nothing to the terminal."""


def browse(tmp_path: Path, *arguments: str) -> str:
    """Run Chromium with a profile of its own and return what it prints."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def measure(site: tuple[str, Path], tmp_path: Path, page: str, width: int, *flags: str) -> dict[str, Any]:
    """Lay a page out in a frame of `width` pixels and return what was measured there."""
    url, folder = site
    (folder / "frame.html").write_text(FRAME.format(page=page, width=width), encoding="utf-8")
    printed = browse(tmp_path, "--virtual-time-budget=5000", *flags, "--dump-dom", f"{url}/frame.html")
    found = re.search(r'<pre id="found">(\{.*?\})</pre>', printed)
    assert found, printed[-2000:]
    measured: dict[str, Any] = json.loads(found[1])
    return measured


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours as WCAG defines it: 1 for none, 21 for black on white."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_shows_the_page_without_scrolling_sideways(
    site: tuple[str, Path], tmp_path: Path, page: str
) -> None:
    found = measure(site, tmp_path, page, PHONE)
    assert found["loaded"] >= 3
    assert found["wide"] == []
    assert found["width"] <= PHONE
    assert found["size"] >= 15


@pytest.mark.parametrize("page", PAGES)
def test_text_is_readable_by_day_and_by_night(site: tuple[str, Path], tmp_path: Path, page: str) -> None:
    day = measure(site, tmp_path, page, 1000, "--blink-settings=preferredColorScheme=1")
    night = measure(site, tmp_path, page, 1000, "--blink-settings=preferredColorScheme=0")
    assert day["paper"] != night["paper"]
    for found in (day, night):
        assert contrast(found["colour"], found["paper"]) > 7


@pytest.mark.parametrize("page", PAGES)
def test_the_page_prints(site: tuple[str, Path], tmp_path: Path, page: str) -> None:
    url, _ = site
    paper = tmp_path / "paper.pdf"
    browse(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", f"{url}/{page}")
    sheets = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 1 <= sheets <= 30
