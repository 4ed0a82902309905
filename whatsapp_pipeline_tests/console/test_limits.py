"""What holds for every page: no address breaks it, few statements, small pages, rights of its own level."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from whatsapp_pipeline import console as console_package
from whatsapp_pipeline.console.app import create_console_app
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.console.pools import ConsolePools
from whatsapp_pipeline.store.operations.console_logins import ensure_logins
from whatsapp_pipeline_tests.console.people import PreparedPeople, write_people
from whatsapp_pipeline_tests.console.running import KEY, LEVELS, RunningConsole, drop_roles, running_console

PAGES = Path(console_package.__file__).parent
# Every name that a page asks an address or a form for; conversations ask for three in a loop.
PARAMETERS = sorted(
    {"around", "before", "after"}
    | {
        name
        for path in PAGES.rglob("*.py")
        for name in re.findall(r'(?:text|day|get|clean)\(\s*"([a-z_]+)"', path.read_text(encoding="utf-8"))
    }
)
_APP: Any = create_console_app(ConsoleConfig(), ConsolePools({}, zone="UTC"), KEY)
ROUTES = [
    (route.path, method)
    for route in _APP._app.routes  # inside of the guard
    if isinstance(route, Route)
    for method in route.methods or ()
    if method in {"GET", "POST"}
]
# What stands in the place of each part of a route: things that exist, and what nobody means.
PARTS = {
    "id": ("7", "13", "70", "1", "99999999999999999999", "-1", "7%00", "x"),
    "ref": ("chat:1", "webhook:1", "chat:131", "chat:%00", "mail:1", "chat:99999999999999999999"),
    "number": ("30415", "555", "%F0%9F%98%80", "..%2F..", "9" * 300),
    "number:path": ("30415", "555", "-", "%F0%9F%98%80", "..%2F..", "9" * 300, "a/b"),
    "source": ("chat", "webhook", "mail", "%00"),
    "session": ("1", "0", "99999999999", "x"),
    "link": ("x", "%00", "9" * 300),
}
_LEFT_OUT = {"/logout"}  # it ends the session of the test's users


def _paths(method: str) -> st.SearchStrategy[str]:
    """Return addresses of every route, with parts that exist and parts that do not."""

    def filled(pattern: str) -> st.SearchStrategy[str]:
        pieces = re.split(r"\{([^}]+)\}", pattern)  # every second one is the name of a part
        return st.tuples(
            *(
                st.sampled_from(PARTS[piece]) if place % 2 else st.just(piece)
                for place, piece in enumerate(pieces)
            )
        ).map("".join)

    patterns = [path for path, of in ROUTES if of == method and path not in _LEFT_OUT]
    return st.sampled_from(patterns).flatmap(filled)


_HOSTILE = [
    "",
    "%",
    "_",
    "\\",
    "'",
    "';--",
    '"',
    "&",
    "|",
    "!",
    ":*",
    "<->",
    "tela:*",
    "a & | b",
    "-",
    "- -",
    "OR",
    "or or",
    "((((",
    "\x00",
    "a\x00b",
    "\ud800",
    "\U0010ffff",
    "\u202e",
    "9" * 400,
    "-1",
    "1e999",
    "9223372036854775808",
    "9223372036854775807",
    "0",
    "2025-13-01",
    "9999-12-31",
    "0001-01-01",
    "2025-02-29",
    "chat:1",
    "chat:",
    "chat:-1",
    "webhook:9223372036854775807",
    "0.1~chat:1",
    "1e-400~chat:1",
    "0.5~webhook:999999999999999999",
    "nan~chat:1",
    "{{7*7}}",
    "<script>",
    "=1+1",
    "\x1b[31m",
    "tela " * 40,
    "à" * 200,
    "a" * 5000,
    "1",
    "true",
    "//evil.example",
]
VALUES = st.one_of(st.sampled_from(_HOSTILE), st.text(max_size=60))


@pytest.fixture(scope="module")
def clients(console: RunningConsole, people: PreparedPeople) -> Iterator[dict[str, httpx.Client]]:
    found: dict[str, httpx.Client] = {level: console.client(level) for level in LEVELS}
    yield found
    for client in found.values():
        client.close()


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(
    path=_paths("GET") | st.sampled_from(["/static/console.css", "/static/..%2F..%2Fapp.py", "/static/"]),
    query=st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=5),
    level=st.sampled_from(LEVELS),
)
@example(path="/search", query={"q": "tela", "after": "0.5~chat:999999"}, level="analyst")
@example(path="/search", query={"q": "tela", "until": "9999-12-31", "since": "0001-01-01"}, level="analyst")
@example(path="/customers/7", query={"day": "9999-12-31"}, level="analyst")
@example(path="/print/customers/7", query={"until": "9999-12-31"}, level="reviewer")
@example(path="/customers/7", query={"find": "tela", "hit": "9223372036854775807"}, level="analyst")
@example(path="/search", query={"q": "\x00", "customer": "7", "kind": "image"}, level="analyst")
def test_no_address_breaks_a_page(
    clients: dict[str, httpx.Client], path: str, query: dict[str, str], level: str
) -> None:
    encoded = {name: value.encode("utf-8", "surrogatepass") for name, value in query.items()}
    answer = clients[level].get(path + "?" + str(httpx.QueryParams(encoded)))
    assert answer.status_code < 500, (path, query)
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert "<script>alert" not in answer.text


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(
    path=_paths("POST"),
    fields=st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=4),
    level=st.sampled_from(LEVELS),
)
def test_no_form_breaks_a_page(
    clients: dict[str, httpx.Client], path: str, fields: dict[str, str], level: str
) -> None:
    body = "&".join(f"{name}={value}" for name, value in fields.items()).encode("utf-8", "surrogatepass")
    answer = clients[level].post(
        path, content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code < 500, (path, fields)


def _every_path(method: str) -> Iterator[str]:
    """Return the addresses of every route with every choice of its parts."""
    for pattern in (path for path, of in ROUTES if of == method and path not in _LEFT_OUT):
        pieces = re.split(r"\{([^}]+)\}", pattern)
        choices = [PARTS[piece] if place % 2 else (piece,) for place, piece in enumerate(pieces)]
        yield from map("".join, product(*choices))


def test_a_reader_reaches_no_message_by_any_route(clients: dict[str, httpx.Client]) -> None:
    secrets = ("mensagem sobre", "resposta da loja", "texto corrigido", "uma pergunta", "99999-00")
    seen: Counter[int] = Counter()
    for path in _every_path("GET"):
        for query in ("", "?around=chat:1&find=tela&q=tela&who=ana&customer=7&id=70&note=edit"):
            answer = clients["reader"].get(path + query)
            seen[answer.status_code] += 1
            assert [secret for secret in secrets if secret in answer.text] == [], path + query
    assert max(seen) < 500
    assert seen[200] > 10
    # The same addresses show messages to an analyst.
    assert "mensagem sobre" in clients["analyst"].get("/customers/7?around=chat:1&find=tela").text


class _Counted(psycopg.Cursor[Any]):
    """A cursor that counts what it is asked."""

    statements: ClassVar[Counter[str]] = Counter()

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> _Counted:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if not re.match(r"\s*SELECT set_config", text):  # when a connection is opened
            self.statements["all"] += 1
        return super().execute(query, *args, **kwargs)


@pytest.fixture(scope="module")
def counted(admin_url: str, migrated_template: str) -> Iterator[tuple[RunningConsole, PreparedPeople]]:
    from uuid import uuid4

    from whatsapp_pipeline_tests.conftest import create_database, drop_database

    name = f"test_{uuid4().hex[:12]}"
    url = create_database(admin_url, name, migrated_template)
    people = write_people(url)
    with running_console(url, options={"cursor_factory": _Counted}) as running:
        yield running, people
    drop_database(admin_url, name)


def test_a_page_takes_few_statements_and_is_small(counted: tuple[RunningConsole, PreparedPeople]) -> None:
    running, people = counted
    around = f"around=chat:{people.first + 60}"
    paths = [
        "/",
        "/?waiting=1",
        "/commitments",
        "/account",
        "/search",
        "/search?q=os%2030415",
        "/search?q=tela",
        "/search?q=tella",
        "/search?q=tela%205",
        "/search?q=mensagem7",
        "/search?q=0007",
        "/search?q=30415",
        "/search?q=5",
        "/search?q=tela&customer=7&order=70",
        "/customers/7",
        f"/customers/7?{around}",
        "/customers/7?day=2025-01-05",
        "/customers/7?find=tela&hit=3",
        "/orders/30415",
        f"/orders/30415?id=70&{around}",
        "/orders/30415?id=70&find=tela",
        "/orders/555",
        f"/messages/chat:{people.first}",
        f"/messages/chat:{people.stranger}",
        "/print/customers/7",
        "/export/orders/70",
        "/chats/chat:2",
    ]
    paths += ["/review", "/review/next", "/review/history", "/review/chat:2", "/review/chat:2?who=ana"]
    with running.client("reviewer") as client:
        for path in paths:
            _Counted.statements.clear()
            answer = client.get(path)
            assert answer.status_code < 400, path
            assert 1 <= _Counted.statements["all"] <= 6, (path, _Counted.statements["all"])
            assert len(answer.content) <= 60_000, path


def test_people_of_different_levels_share_no_rights(fresh_database_url: str) -> None:
    """One connection per level, and many requests of all levels at once."""
    people = write_people(fresh_database_url)
    with running_console(fresh_database_url, pool_size=1) as running:
        tokens = {level: running.session(level) for level in LEVELS}

        def ask(number: int) -> tuple[str, int, bool]:
            level = LEVELS[number % 3]
            answer = httpx.get(
                f"{running.url}/customers/7?around=chat:{people.first}",
                cookies={"console": tokens[level]},
                timeout=60,
            )
            return level, answer.status_code, "mensagem sobre a tela" in answer.text

        with ThreadPoolExecutor(12) as threads:
            seen = Counter(threads.map(ask, range(120)))
    assert seen == {
        ("reader", 200, False): 40,
        ("analyst", 200, True): 40,
        ("reviewer", 200, True): 40,
    }


def test_a_pooled_connection_keeps_its_role(fresh_database_url: str) -> None:
    urls = ensure_logins(fresh_database_url, KEY)
    pools = ConsolePools(urls, zone="UTC", size=1)
    pools.open()
    try:
        with pools.connection("reader") as conn:
            name = conn.info.user
            conn.execute("SET ROLE whatsapp_reader")
        with pools.connection("reader") as conn:
            conn.execute("RESET ROLE")
            assert conn.execute("SELECT current_user, session_user").fetchone() == (name, name)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute("SELECT message_text FROM chat_messages")
    finally:
        pools.close()
        drop_roles(fresh_database_url)


def test_a_slow_search_is_a_page(console: RunningConsole, people: PreparedPeople) -> None:
    with psycopg.connect(console.database_url, autocommit=True) as owner:
        owner.execute("ALTER FUNCTION search_query(text) RENAME TO search_query_kept")
        owner.execute(
            "CREATE FUNCTION search_query(words text) RETURNS tsquery LANGUAGE sql VOLATILE AS"
            " 'SELECT search_query_kept(words) FROM pg_sleep(9)'"
        )
        try:
            with console.client("analyst") as client:
                answer = client.get("/search?q=tela&customer=7")
        finally:
            owner.execute("DROP FUNCTION search_query(text)")
            owner.execute("ALTER FUNCTION search_query_kept(text) RENAME TO search_query")
    assert answer.status_code == 422
    assert "comum demais" in answer.text
