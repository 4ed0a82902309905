"""Signed links to one order's page: what they open, that nothing stretches them, who may frame the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whatsapp_pipeline import clock
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.signed_links import (
    BadLinkError,
    OrderLink,
    checked_link,
    link_path,
    parse_link_keys,
    signature,
)
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations import console_access
from whatsapp_pipeline.store.operations.console_views import view_subject
from whatsapp_pipeline_tests.console.people import PreparedPeople, write_people
from whatsapp_pipeline_tests.console.running import KEY, RunningConsole, running_console, text_of

SECRETS = {"k2": b"n" * 32, "k1": b"o" * 32}
LINK = OrderLink("30415", 70, "analyst", 0, "k2", ("https://erp.example",))
GUIDE = Path(__file__).parents[2] / "docs" / "embed.md"


def _link(**changes: object) -> str:
    expires = int(clock.now().timestamp()) + 600
    link = replace(LINK, **{"expires": expires, **changes})  # type: ignore[arg-type]  # fields by their names
    return link_path(link, SECRETS[link.key])


@pytest.fixture(scope="module")
def embedded(
    admin_url: str, migrated_template: str
) -> Iterator[tuple[RunningConsole, PreparedPeople, httpx.Client]]:
    from uuid import uuid4

    from whatsapp_pipeline_tests.conftest import create_database, drop_database

    name = f"test_{uuid4().hex[:12]}"
    url = create_database(admin_url, name, migrated_template)
    people = write_people(url)
    with connect(url) as conn:
        console_access.add_link_users(conn, SECRETS)
    with (
        running_console(url, ConsoleConfig(link_keys=tuple(SECRETS.items()))) as running,
        httpx.Client(base_url=running.url, timeout=30) as client,
    ):
        yield running, people, client
    drop_database(admin_url, name)


Embedded = tuple[RunningConsole, PreparedPeople, httpx.Client]


def test_a_link_opens_the_order_alone_without_a_login(embedded: Embedded) -> None:
    _, _, client = embedded
    answer = client.get(_link())
    assert answer.status_code == 200
    words = text_of(answer.text)
    assert "Ordem de serviço 30415" in words
    assert "mensagem sobre a tela 5" in words
    assert "número da OS citado, confiança 99%" in words
    assert "<script" not in answer.text
    # Nothing leads out of the page.
    addresses = re.findall(r'href="([^"]+)"', answer.text)
    assert all(address.startswith("/static/") for address in addresses), addresses
    assert "set-cookie" not in answer.headers


def test_older_messages_carry_the_link(embedded: Embedded) -> None:
    running, _, client = embedded
    with connect(running.database_url) as conn:
        conn.execute("UPDATE chat_sessions SET ended_at = '2025-01-06 06:00' WHERE number = 3")
    try:
        page = client.get(_link()).text
        older = re.search(r'href="(/embed/orders/30415[^"]+before=[^"]+)"', page)
        assert older is not None
        first = client.get(older[1].replace("&amp;", "&"))
        assert first.status_code == 200
        assert "mensagem sobre a tela 1" in text_of(first.text)
        assert "after=" in first.text
    finally:
        with connect(running.database_url) as conn:
            conn.execute("UPDATE chat_sessions SET ended_at = '2025-01-05 16:00' WHERE number = 3")


def test_a_reader_link_shows_no_message(embedded: Embedded) -> None:
    _, _, client = embedded
    answer = client.get(_link(level="reader"))
    assert "As mensagens não aparecem" in text_of(answer.text)
    assert "mensagem sobre" not in answer.text
    assert "notebook Exemplo 15" in answer.text


def test_only_the_links_origins_may_frame_it_and_no_other_page(embedded: Embedded) -> None:
    running, _, client = embedded
    answer = client.get(_link(origins=("https://erp.example", "https://b.example:8443")))
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors https://erp.example https://b.example:8443" in policy
    assert "default-src 'none'" in policy
    assert "x-frame-options" not in answer.headers
    assert "frame-ancestors 'none'" in client.get(_link(origins=())).headers["content-security-policy"]
    with running.client("reviewer") as person:
        for path in (
            "/",
            "/customers/7",
            "/orders/30415",
            "/review",
            "/login",
            "/nowhere",
            "/embed/orders/30415",
        ):
            other = person.get(path)
            assert "frame-ancestors 'none'" in other.headers["content-security-policy"], path
            assert other.headers["x-frame-options"] == "DENY"


def test_an_expired_link_says_how_to_get_another(embedded: Embedded) -> None:
    _, _, client = embedded
    link = _link()
    with clock.set_to(clock.now() + timedelta(seconds=601)):
        answer = client.get(link)
    assert answer.status_code == 410
    assert "Abra a OS de novo no seu sistema" in text_of(answer.text)
    assert "frame-ancestors https://erp.example" in answer.headers["content-security-policy"]
    assert "mensagem sobre" not in answer.text


def test_no_refusal_of_a_link_leads_to_the_console(embedded: Embedded) -> None:
    """A browser would refuse to show the console in the frame."""
    _, _, client = embedded
    for link, status in ((_link(expires=1), 410), (_link() + "0", 403), (_link(order=999), 404)):
        answer = client.get(link)
        assert answer.status_code == status
        assert "<a " not in answer.text


def test_views_are_on_record_under_the_keys_name(embedded: Embedded) -> None:
    running, _, client = embedded
    client.get(_link(key="k1"))
    with connect(running.database_url) as conn:
        seen = conn.execute(
            "SELECT v.action, v.subject FROM console_views v JOIN console_users u ON u.id = v.id_user"
            " WHERE u.name = 'link.k1'"
        ).fetchall()
    assert seen == [("view", view_subject(KEY, 7, ""))]


def test_a_link_is_no_session(embedded: Embedded) -> None:
    running, _, client = embedded
    link = _link()
    client.get(link)
    for token in (parse_qs(urlsplit(link).query)["signature"][0], "k2", "link.k2"):
        answer = httpx.get(f"{running.url}/customers/7", cookies={"console": token})
        assert answer.headers["location"].startswith("/login")


def test_links_of_a_disabled_key_show_nothing(embedded: Embedded) -> None:
    running, _, client = embedded
    with connect(running.database_url) as conn:
        conn.execute("UPDATE console_users SET disabled_at = now() WHERE name = 'link.k1'")
        try:
            assert client.get(_link(key="k1", expires=int(clock.now().timestamp()) + 900)).status_code == 403
        finally:
            conn.execute("UPDATE console_users SET disabled_at = NULL")


def test_the_number_must_be_the_orders(embedded: Embedded) -> None:
    _, _, client = embedded
    assert client.get(_link(number="555", order=71)).status_code == 200
    assert client.get(_link(number="555", order=70)).status_code == 404
    assert client.get(_link(order=999)).status_code == 404


@settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(bit=st.integers(0, 7), place=st.integers(0, 10_000))
def test_no_changed_bit_is_accepted(bit: int, place: int) -> None:
    """A single changed bit anywhere in number, order, level, expiry, key, origins or signature."""
    link = replace(LINK, expires=2_000_000_000)
    path = urlsplit(link_path(link, SECRETS["k2"]))
    query = {name: values[0] for name, values in parse_qs(path.query).items()}
    number = path.path.rpartition("/")[2]
    assert checked_link(number, query, SECRETS) == link
    fields = {"number": number, **query}
    text = "".join(fields.values())
    place %= len(text)
    changed = chr(ord(text[place]) ^ (1 << bit))
    for name, value in fields.items():
        if place < len(value):
            fields[name] = value[:place] + changed + value[place + 1 :]
            break
        place -= len(value)
    with pytest.raises(BadLinkError):
        checked_link(fields.pop("number"), fields, SECRETS)


@pytest.mark.parametrize(
    "change",
    [
        {"number": "555"},
        {"order": 71},
        {"level": "analyst"},
        {"expires": 2_100_000_000},
        {"key": "k1"},
        {"origins": ()},
        {"origins": ("https://erp.example", "https://b.example")},
    ],
)
def test_no_signature_is_good_for_another_link(change: dict[str, object]) -> None:
    """Each part takes another value that is fit; only the signature stays."""
    link = replace(LINK, level="reader", expires=2_000_000_000)
    other = replace(link, **change)  # type: ignore[arg-type]  # fields by their names
    query = {
        name: values[0] for name, values in parse_qs(urlsplit(link_path(other, b"x" * 32)).query).items()
    }
    signed = {**query, "signature": signature(link, SECRETS["k2"])}
    with pytest.raises(BadLinkError):
        checked_link(other.number, signed, SECRETS)
    assert checked_link(link.number, signed | _parts(link), SECRETS) == link


def _parts(link: OrderLink) -> dict[str, str]:
    parts = {"order": link.order, "level": link.level, "expires": link.expires, "key": link.key}
    return {name: str(part) for name, part in parts.items()} | {"origins": " ".join(link.origins)}


@pytest.mark.parametrize(
    "change",
    [
        {"order": "070"},
        {"order": "-70"},
        {"expires": "9" * 13},
        {"level": "reviewer"},
        {"key": "k3"},
        {"key": ""},
        {"origins": "*"},
        {"origins": "https://erp.example; script-src *"},
        {"signature": ""},
        {"signature": "é"},
        {"origins": " ".join(["https://a.example"] * 6)},
    ],
)
def test_malformed_links_are_refused_even_when_signed(change: dict[str, str], embedded: Embedded) -> None:
    _, _, client = embedded
    path = urlsplit(_link())
    query = {name: values[0] for name, values in parse_qs(path.query).items()} | change
    assert client.get(path.path, params=query).status_code == 403


def test_a_newline_moves_no_field_into_another() -> None:
    link = replace(LINK, number="30415\n70", expires=2_000_000_000)
    query = {
        name: values[0] for name, values in parse_qs(urlsplit(link_path(link, SECRETS["k2"])).query).items()
    }
    with pytest.raises(BadLinkError):
        checked_link(link.number, query, SECRETS)


@pytest.mark.parametrize(
    "texts",
    [
        ["k1"],
        ["k1:short"],
        ["K1:" + "x" * 32],
        [f"k{n}:" + "x" * 32 for n in range(3)],
        ["k1:" + "x" * 32] * 2,
    ],
)
def test_unfit_keys_are_refused(texts: list[str]) -> None:
    with pytest.raises(SettingError, match="CONSOLE_LINK_KEYS"):
        parse_link_keys(texts)


def test_the_guides_vectors_are_true() -> None:
    """Every program can check itself against the guide: each vector's signature is what the console makes."""
    cells = r"^" + r"\| `([^`]*)` " * 8 + r"\|$"
    found = re.findall(cells, GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(found) >= 3
    for key, secret, number, order, level, expires, origins, expected in found:
        link = OrderLink(number, int(order), level, int(expires), key, tuple(origins.split()))
        assert signature(link, secret.encode()) == expected
