"""Logging in and out, what each level may see, and which requests are refused."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.console import passwords
from whatsapp_pipeline.console.access import local_path, token_hash
from whatsapp_pipeline.console.config import ConsoleConfig, console_config
from whatsapp_pipeline.console.passwords import TooManyLoginsError, hash_password, is_password
from whatsapp_pipeline.console.server import first_login, login_link
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import from_mapping
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import console_access
from whatsapp_pipeline.store.operations.console_logins import LoginsRefusedError, ensure_logins
from whatsapp_pipeline.store.operations.console_views import record_views
from whatsapp_pipeline_tests.console.running import (
    KEY,
    LEVELS,
    RunningConsole,
    drop_roles,
    running_console,
    text_of,
)

PASSWORD = "uma senha comprida"


@pytest.fixture
def maria(console: RunningConsole) -> Iterator[int]:
    """An analyst with a password, and no failed logins."""
    with connect(console.database_url) as conn:
        conn.execute("DELETE FROM console_login_failures")  # also those of other tests' users and addresses
        console_access.add_user(conn, "maria", "analyst")
        found = console_access.user_named(conn, "maria")
        assert found is not None
        console_access.set_password(conn, found.id, hash_password(PASSWORD))
        console_access.set_disabled(conn, found.id, disabled=False)
        yield found.id
        conn.execute("DELETE FROM console_login_failures")


def _log_in(client: httpx.Client, name: str = "maria", password: str = PASSWORD) -> httpx.Response:
    return client.post("/login", data={"name": name, "password": password, "next": "/account"})


def test_a_page_sends_to_the_login_and_back(console: RunningConsole, maria: int) -> None:
    with console.client() as client:
        refused = client.get("/account?saved=0")
        assert (refused.status_code, refused.headers["location"]) == (
            303,
            "/login?next=%2Faccount%3Fsaved%3D0",
        )
        form = client.get(refused.headers["location"])
        assert 'value="/account?saved=0"' in form.text
        entered = _log_in(client, "Maria")
        assert (entered.status_code, entered.headers["location"]) == (303, "/account")
        cookie = entered.headers["set-cookie"]
        assert re.search(r"console=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=lax$", cookie)
        assert "maria" in text_of(client.get("/account").text)
        assert client.post("/logout").headers["location"] == "/login"
        assert client.get("/account").status_code == 303


def test_the_database_holds_no_token_and_no_password(console: RunningConsole, maria: int) -> None:
    with console.client() as client:
        _log_in(client)
        token = client.cookies["console"]
    with connect(console.database_url) as conn:
        stored = conn.execute(
            "SELECT s::text, u::text FROM console_sessions s JOIN console_users u ON u.id = s.id_user"
            " WHERE token_hash = %s",
            (token_hash(token),),
        ).fetchone()
    assert stored is not None
    assert token not in str(stored)
    assert PASSWORD not in str(stored)


def test_a_session_that_is_used_does_not_end_for_idleness(console: RunningConsole, maria: int) -> None:
    """The time of the last request is stored once a minute."""
    with console.client() as client, connect(console.database_url) as conn:
        _log_in(client)
        token = token_hash(client.cookies["console"])

        def seen_after(idle: str) -> float:
            """Return how many seconds ago the session was seen, after a request of one idle for so long."""
            conn.execute(
                "UPDATE console_sessions SET last_seen_at = now() - %s::interval WHERE token_hash = %s",
                (idle, token),
            )
            assert client.get("/account").status_code == 200
            row = conn.execute(
                "SELECT extract(epoch FROM clock_timestamp() - last_seen_at)::float8 FROM console_sessions"
                " WHERE token_hash = %s",
                (token,),
            ).fetchone()
            assert row is not None
            return float(row[0])

        assert seen_after("119 minutes") < 119 * 60 / 2
        assert seen_after("90 seconds") < 80
        assert seen_after("20 seconds") >= 20


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE console_sessions SET expires_at = now() - interval '1 second'",
        "UPDATE console_sessions SET last_seen_at = now() - interval '2 hours 1 second'",
        "UPDATE console_users SET disabled_at = now() WHERE name = 'maria'",
        "DELETE FROM console_sessions",
    ],
)
def test_a_session_ends(console: RunningConsole, maria: int, change: str) -> None:
    with console.client() as client, connect(console.database_url) as conn:
        _log_in(client)
        assert client.get("/account").status_code == 200
        conn.execute(change.encode())
        assert client.get("/account").status_code == 303


def test_a_disabled_user_and_an_unknown_one_get_the_same_answer(console: RunningConsole, maria: int) -> None:
    with console.client() as client, connect(console.database_url) as conn:
        wrong = _log_in(client, password="another password")
        unknown = _log_in(client, "nobody")
        console_access.set_disabled(conn, maria, disabled=True)
        disabled = _log_in(client)
    assert {wrong.status_code, unknown.status_code, disabled.status_code} == {401}
    assert wrong.text == unknown.text == disabled.text


def test_failed_logins_are_slowed_down_for_the_account_and_for_the_address(
    console: RunningConsole, maria: int
) -> None:
    with console.client() as client, connect(console.database_url) as conn:
        for _ in range(console_access.FREE_FAILURES - 1):
            assert _log_in(client, password="wrong").status_code == 401
        assert _log_in(client).status_code == 303  # still free: it also forgets the account's failures
        for number in range(console_access.FREE_FAILURES):
            _log_in(client, f"guess{number}")
        # As if four more had come at once: a wait of a second is over before a slow machine asks again.
        conn.execute("UPDATE console_login_failures SET failures = failures + 4, last_failed_at = now()")
        slowed = _log_in(client)  # the right password, from an address that guesses names
        assert slowed.status_code == 429
        assert int(slowed.headers["retry-after"]) >= 1
        conn.execute("UPDATE console_login_failures SET last_failed_at = now() - interval '16 minutes'")
        assert _log_in(client).status_code == 303


@pytest.mark.parametrize(("failures", "seconds"), [(4, 0), (5, 1), (8, 8), (30, 900), (2_000_000, 900)])
def test_the_wait_doubles_up_to_a_limit(conn: Connection, failures: int, seconds: int) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute("INSERT INTO console_login_failures VALUES ('\\x01', %s)", (failures,))
        assert console_access.seconds_to_wait(conn, [b"\x01", b"\x02"]) == seconds
        assert console_access.seconds_to_wait(conn, [b"\x02"]) == 0


def test_a_login_link_works_once_and_only_after_a_click(console: RunningConsole) -> None:
    with connect(console.database_url) as conn:
        console_access.add_user(conn, "rui", "reader")
        rui = console_access.user_named(conn, "rui")
        assert rui is not None
        link = login_link(conn, rui.id, console.url)
        older, link = link, login_link(conn, rui.id, console.url)
    with console.client() as client:
        assert client.post(older).status_code == 401  # a newer link replaces it
        assert client.get(link).status_code == client.get(link).status_code == 200  # looking uses nothing up
        entered = client.post(link)
        assert (entered.status_code, entered.headers["location"]) == (303, "/account")
        page = client.get("/account").text
        assert 'name="current"' not in page  # there is no password yet
        assert "Nível de acesso: Leitor" in text_of(page)
        assert client.post(link).status_code == 401
        saved = client.post("/account/password", data={"new": PASSWORD, "again": PASSWORD})
        assert saved.headers["location"] == "/account?saved=1"
    with console.client() as other:
        assert _log_in(other, "rui").status_code == 303


def test_an_old_link_and_one_of_a_disabled_user_do_not_work(console: RunningConsole, maria: int) -> None:
    with console.client() as client, connect(console.database_url) as conn:
        link = login_link(conn, maria, console.url)
        conn.execute("UPDATE console_login_links SET expires_at = now() - interval '1 second'")
        assert client.post(link).status_code == 401
        link = login_link(conn, maria, console.url)
        conn.execute("UPDATE console_users SET disabled_at = now() WHERE name = 'maria'")
        assert client.post(link).status_code == 401


def test_the_first_start_gives_a_link_until_somebody_has_logged_in(fresh_database_url: str) -> None:
    with running_console(fresh_database_url) as running, connect(fresh_database_url) as conn:
        first = first_login(conn, running.url)
        second = first_login(conn, running.url)
        assert first is not None
        assert second is not None
        assert [(user.name, user.level) for user in console_access.users(conn)] == [("admin", "reviewer")]
        with running.client() as client:
            assert client.post(first).status_code == 401
            assert client.post(second).status_code == 303
        assert first_login(conn, running.url) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"current": PASSWORD, "new": "short", "again": "short"}, "10 a 200"),
        ({"current": PASSWORD, "new": "1234567890a", "again": "1234567890b"}, "diferentes"),
        ({"current": PASSWORD, "new": "maria12345", "again": "maria12345"}, "nome do usuário"),
        ({"current": "wrong", "new": "outra senha boa", "again": "outra senha boa"}, "não confere"),
    ],
)
def test_a_password_that_does_not_do_changes_nothing(
    console: RunningConsole, maria: int, fields: dict[str, str], problem: str
) -> None:
    with console.client() as client:
        _log_in(client)
        answer = client.post("/account/password", data=fields)
        assert answer.status_code == 422
        assert problem in text_of(answer.text)
        assert _log_in(client).status_code == 303


def test_guesses_at_the_current_password_are_slowed_down_too(console: RunningConsole, maria: int) -> None:
    with console.client() as client, connect(console.database_url) as conn:
        _log_in(client)
        fields = {"current": "guess", "new": "outra senha boa", "again": "outra senha boa"}
        for _ in range(console_access.FREE_FAILURES):
            assert "não confere" in text_of(client.post("/account/password", data=fields).text)
        # As if four more had come at once: a wait of a second is over before a slow machine asks again.
        conn.execute("UPDATE console_login_failures SET failures = failures + 4, last_failed_at = now()")
        answer = client.post("/account/password", data={**fields, "current": PASSWORD})
        assert "Muitas tentativas" in text_of(answer.text)
        assert client.get("/account").status_code == 200


def test_a_new_password_ends_the_users_other_sessions(console: RunningConsole, maria: int) -> None:
    with console.client() as here, console.client() as there:
        _log_in(here)
        _log_in(there)
        fields = {"current": PASSWORD, "new": "outra senha boa", "again": "outra senha boa"}
        assert here.post("/account/password", data=fields).status_code == 303
        assert here.get("/account").status_code == 200
        assert there.get("/account").status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "{url}"}, 303),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "{url}", "sec-fetch-site": "cross-site"}, 403),
        ({}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(
    console: RunningConsole, maria: int, headers: dict[str, str], status: int
) -> None:
    filled = {name: value.format(url=console.url) for name, value in headers.items()}
    with httpx.Client(base_url=console.url, headers=filled) as client:
        assert _log_in(client).status_code == status


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", ""])
def test_another_host_name_is_refused(console: RunningConsole, host: str) -> None:
    assert httpx.get(f"{console.url}/login", headers={"host": host}).status_code == 421


def test_a_large_body_is_refused(console: RunningConsole, maria: int) -> None:
    with console.client() as client:
        assert client.post("/login", content=b"x" * 16_385).status_code == 413
        # Sent in pieces, it has no header that says how long it is.
        stream = client.post("/login", content=(b"name=" + b"x" * 9000 for _ in range(40)))
        assert stream.status_code == 413
        assert "grande demais" in stream.text
        small = client.post("/login", content=(b"name=" + b"x" * 8000 for _ in range(2)))
        assert small.status_code == 401
    with console.client("analyst") as client:
        note = client.post("/customers/7/note", content=(b"note=" + b"x" * 9000 for _ in range(40)))
        assert note.status_code == 413


def test_every_answer_carries_the_headers(console: RunningConsole) -> None:
    with console.client("reader") as client:
        answers = [
            client.get(path) for path in ("/", "/account", "/login", "/nowhere", "/orders/%00", "/health")
        ]
        answers += [client.post("/"), client.get("/", headers={"host": "evil.example"})]
        static = client.get("/static/console.css")
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store", answer.url
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert static.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in static.headers["cache-control"]


@pytest.mark.parametrize("level", LEVELS)
def test_the_home_page_is_for_every_level(console: RunningConsole, level: str) -> None:
    with console.client(level) as client:  # type: ignore[arg-type]  # pytest's parameters are strings
        page = client.get("/")
    assert page.status_code == 200
    assert "Nenhuma ordem de serviço ainda." in text_of(page.text)


def test_the_logins_have_the_rights_of_their_level_and_no_more(console: RunningConsole) -> None:
    asked = {
        "SELECT text FROM messages_all": {"analyst", "reviewer"},
        "SELECT message_text FROM chat_messages": {"analyst", "reviewer"},
        "SELECT celular FROM contatos": {"analyst", "reviewer"},
        "SELECT name FROM console_users": {"access"},
        "SELECT token_hash FROM console_sessions": {"access"},
        "SELECT nome FROM contatos": {"reader", "analyst", "reviewer"},
        "SELECT subject FROM console_views": set(),
        "UPDATE console_users SET level = 'reviewer'": set(),
        "UPDATE link_overrides SET removed_at = now()": {"reviewer"},
        "SET ROLE whatsapp_writer": set(),
        "DELETE FROM chat_messages": set(),
    }
    for statement, allowed in asked.items():
        found = set()
        for login, url in console.login_urls.items():
            with psycopg.connect(url) as conn:
                try:
                    conn.execute(statement.encode())
                except psycopg.errors.InsufficientPrivilege:
                    continue
                found.add(login)
                conn.rollback()
        assert found == allowed, statement


def test_nobody_records_a_view_in_another_persons_name(console: RunningConsole) -> None:
    token = console.session("analyst", name="paula")
    with psycopg.connect(console.login_urls["analyst"]) as conn:
        record_views(conn, token_hash(token), "view", [b"\x01", b"\x02", b"\x01"])
        record_views(conn, token_hash(token), "view", [b"\x02"])
        conn.commit()
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
            record_views(conn, token_hash("made up"), "view", [b"\x03"])
    with connect(console.database_url) as conn:
        rows = conn.execute(
            "SELECT v.subject, v.pages FROM console_views v JOIN console_users u ON u.id = v.id_user"
            " WHERE u.name = 'paula' OR v.subject = '\\x03' ORDER BY v.subject"
        ).fetchall()
    assert rows == [(b"\x01", 1), (b"\x02", 2)]


def test_a_database_role_that_may_not_make_logins_gets_the_sql(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        conn.execute("CREATE ROLE only_owner LOGIN PASSWORD 'x'")
        conn.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_owner")
    try:
        with pytest.raises(LoginsRefusedError) as refused:
            ensure_logins(make_conninfo(fresh_database_url, user="only_owner", password="x"), KEY)
        made = [line for line in refused.value.statements if "_console_reader" in line]
        assert any("SCRAM-SHA-256$" in line for line in made)
        assert any("GRANT" in line and "whatsapp_reader" in line for line in made)
        with connect(fresh_database_url) as conn, conn.transaction():
            for statement in refused.value.statements:
                conn.execute(statement.encode())
        # An administrator has run the SQL: the same start works now, without rights.
        urls = ensure_logins(make_conninfo(fresh_database_url, user="only_owner", password="x"), KEY)
        assert set(urls) == {"access", "manager", *LEVELS}
    finally:
        drop_roles(fresh_database_url)
        with connect(fresh_database_url) as conn:
            conn.execute("DROP OWNED BY only_owner")
            conn.execute("DROP ROLE only_owner")


@pytest.mark.parametrize(
    ("environment", "host", "problem"),
    [
        ({}, "0.0.0.0", "without TLS"),
        ({}, "192.168.0.2", "without TLS"),
        ({"CONSOLE_TLS_CERT": "/nowhere/cert"}, "127.0.0.1", "go together"),
        ({"CONSOLE_PROXIES": "proxy.example"}, "127.0.0.1", "is no address"),
        ({"CONSOLE_USER_HEADER": "X-User"}, "127.0.0.1", "needs CONSOLE_PROXIES"),
    ],
)
def test_unsafe_settings_are_refused(environment: dict[str, str], host: str, problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        console_config(from_mapping(environment), host=host, port=8090)


def test_safe_settings_are_taken() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        assert console_config(from_mapping({}), host=host, port=1).host == host
    proxied = console_config(from_mapping({"CONSOLE_PROXIES": "10.0.0.0/24"}), host="0.0.0.0", port=1)
    assert proxied.is_trusted_proxy("10.0.0.7")
    assert not proxied.is_trusted_proxy("10.0.1.7")


@pytest.mark.parametrize(
    ("environment", "host", "address"),
    [
        ({}, "127.0.0.1", "http://localhost:8123"),
        ({"CONSOLE_URL": "https://console.example.com"}, "127.0.0.1", "https://console.example.com"),
        (
            {"CONSOLE_HOSTS": "console.example.com", "CONSOLE_PROXIES": "10.0.0.5"},
            "0.0.0.0",
            "https://console.example.com",
        ),
        (
            {
                "CONSOLE_HOSTS": "console.example.com",
                "CONSOLE_PROXIES": "10.0.0.5",
                "CONSOLE_URL": "https://console.example.com:8443",
            },
            "0.0.0.0",
            "https://console.example.com:8443",
        ),
        ({"CONSOLE_PROXIES": "10.0.0.5"}, "127.0.0.1", "http://localhost:8123"),
    ],
)
def test_links_begin_with_the_address_that_browsers_use(
    environment: dict[str, str], host: str, address: str
) -> None:
    config = console_config(from_mapping(environment), host=host, port=8123)
    assert config.url == address


def test_only_a_listed_proxy_names_the_user(fresh_database_url: str) -> None:
    trusted = ConsoleConfig(proxies=(ipaddress.ip_network("127.0.0.1"),), user_header="x-user")
    with running_console(fresh_database_url, trusted) as running:
        running.session("reader", name="ana")
        with running.client() as client:
            client.headers["x-user"] = "Ana"
            assert client.get("/account").headers["location"] == "/account"
            assert "ana" in text_of(client.get("/account").text)
            client.headers["x-user"] = "nobody"  # somebody else sits there now
            assert client.get("/account").status_code == 403
        with running.client() as client:
            assert client.get("/account").headers["location"].startswith("/login")
    strange = ConsoleConfig(proxies=(ipaddress.ip_network("10.0.0.1"),), user_header="x-user")
    with running_console(fresh_database_url, strange) as running, running.client() as client:
        client.headers["x-user"] = "ana"
        assert client.get("/account").headers["location"].startswith("/login")


def test_behind_a_proxy_with_tls_the_cookie_is_for_https_alone(fresh_database_url: str) -> None:
    """The scheme and the address of the browser are the proxy's to say, and nobody else's."""
    with connect(fresh_database_url) as conn:
        console_access.add_user(conn, "maria", "analyst")
        maria = console_access.user_named(conn, "maria")
        assert maria is not None
        console_access.set_password(conn, maria.id, hash_password(PASSWORD))
    name = "console.example.com"
    behind = {
        "host": name,
        "origin": f"https://{name}",
        "x-forwarded-proto": "https",
        "x-forwarded-for": "198.51.100.9, 203.0.113.5",
    }
    config = ConsoleConfig(hosts=(name, "127.0.0.1"), proxies=(ipaddress.ip_network("127.0.0.1"),))
    with (
        running_console(fresh_database_url, config) as running,
        httpx.Client(base_url=running.url, headers=behind) as client,
    ):
        entered = _log_in(client)
        cookie = entered.headers["set-cookie"]
        assert re.fullmatch(
            r"__Host-console=([\w-]{43}); HttpOnly; Max-Age=43200; Path=/; SameSite=lax; Secure", cookie
        )
        assert entered.headers["strict-transport-security"] == "max-age=31536000"
        value = cookie.partition("=")[2].partition(";")[0]
        client.cookies.clear()
        for cookies, status in ((f"__Host-console={value}", 200), (f"console={value}", 303)):
            assert client.get("/account", headers={"cookie": cookies}).status_code == status, cookies
        # A page that was opened in plain HTTP is not the same origin.
        assert client.post("/logout", headers={"origin": f"http://{name}"}).status_code == 403
        out = client.post("/logout", headers={"cookie": f"__Host-console={value}"})
        assert re.match(r'__Host-console="?"?; .*Max-Age=0.*; Secure', out.headers["set-cookie"])
        # Failed logins count for the browser's address: the last that the proxy itself has written.
        for number in range(console_access.FREE_FAILURES):
            _log_in(client, f"guess{number}")
        with connect(fresh_database_url) as conn:
            conn.execute("UPDATE console_login_failures SET failures = 12, last_failed_at = now()")
        assert _log_in(client).status_code == 429
        client.headers["x-forwarded-for"] = "203.0.113.5, 198.51.100.9"
        assert _log_in(client).status_code == 303
    # The same headers from an address that is no proxy's say nothing.
    strange = ConsoleConfig(hosts=(name, "127.0.0.1"), proxies=(ipaddress.ip_network("10.0.0.1"),))
    with (
        running_console(fresh_database_url, strange) as running,
        httpx.Client(base_url=running.url, headers={**behind, "origin": f"http://{name}"}) as client,
    ):
        with connect(fresh_database_url) as conn:
            conn.execute("DELETE FROM console_login_failures")
        entered = _log_in(client)
        assert entered.status_code == 303
        assert entered.headers["set-cookie"].startswith("console=")
        assert "Secure" not in entered.headers["set-cookie"]
        assert "strict-transport-security" not in entered.headers


def test_one_password_is_hashed_at_a_time(
    console: RunningConsole, maria: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of logins costs neither memory nor every processor."""
    hashing, most, made = 0, 0, 0
    guard = threading.Lock()
    scrypt = hashlib.scrypt

    def counted(*args: Any, **kwargs: Any) -> bytes:
        nonlocal hashing, most, made
        with guard:
            hashing, made = hashing + 1, made + 1
            most = max(most, hashing)
        try:
            return scrypt(*args, **kwargs)
        finally:
            with guard:
                hashing -= 1

    monkeypatch.setattr(hashlib, "scrypt", counted)
    with console.client() as client, ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: _log_in(client).status_code, range(4)))
    assert answers == [303] * 4
    assert (most, made) == (1, 4)


def test_more_passwords_than_may_wait_are_sent_away(console: RunningConsole, maria: int) -> None:
    with console.client() as client, contextlib.ExitStack() as stack:
        _log_in(client)
        while passwords._WAITING.acquire(blocking=False):  # the places of those that hash or wait
            stack.callback(passwords._WAITING.release)
        busy = _log_in(client)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "10")
        fields = {"current": PASSWORD, "new": "outra senha boa", "again": "outra senha boa"}
        assert client.post("/account/password", data=fields).status_code == 503
        with pytest.raises(TooManyLoginsError):
            hash_password("outra senha boa")
        stack.close()
        assert _log_in(client).status_code == 303  # the password is the old one


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/search?q=a%20b", "/search?q=a%20b"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\nb", "/"),
        (f"/search?q={'a' * 2000}", f"/search?q={'a' * 2000}"),
        (f"/search?q={'a' * 2000}\nb", "/"),
        ("", "/"),
    ],
)
def test_a_login_leads_to_a_page_of_the_console(given: str, kept: str) -> None:
    assert local_path(given) == kept


def test_a_password_is_the_one_that_was_stored() -> None:
    stored = hash_password("segredo comprido")
    assert stored != hash_password("segredo comprido")  # a salt of its own
    assert is_password("segredo comprido", stored)
    assert not is_password("segredo compridO", stored)
    assert not is_password("segredo comprido", None)
