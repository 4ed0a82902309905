"""`console user` and `console audit`, as an administrator types them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline import privacy_key
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.console.access import token_hash
from whatsapp_pipeline.console.passwords import is_password
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import api_tokens, console_access
from whatsapp_pipeline.store.operations.console_views import (
    delete_views_older_than,
    record_views,
    view_subject,
)
from whatsapp_pipeline_tests.console.running import drop_roles
from whatsapp_pipeline_tests.processes import free_port


@pytest.fixture
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("CONSOLE_URL", "https://console.example.com")


def run(*command: str, given: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["console", *command], input=given)


def test_a_user_is_added_listed_disabled_and_let_in_again(environment: None, conn: Connection) -> None:
    added = run("user", "add", "Maria", "--level", "analyst")
    link = re.search(r"maria: analyst; .* https://console\.example\.com/login/once/(\S+)\n$", added.output)
    assert link
    assert console_access.use_login_link(conn, token_hash(link[1])) is not None
    assert "there is a user maria already" in str(run("user", "add", "maria").exception)
    assert run("user", "add", "maría").exit_code == 2
    listed = run("user", "list").output
    assert re.search(r"maria\s+analyst\s+active\s+none\s+never", listed)
    assert run("user", "disable", "maria").output == "maria: disabled\n"
    assert '"state": "disabled"' in run("user", "list", "--json").output
    assert run("user", "disable", "maria", "--undo").output == "maria: active\n"
    assert "there is no such user" in str(run("user", "disable", "nobody").exception)


def test_a_password_is_asked_for_twice_and_shown_never(environment: None, conn: Connection) -> None:
    run("user", "add", "rosa")
    password = "uma senha comprida"
    done = run("user", "password", "rosa", given=f"{password}\n{password}\n")
    assert done.exit_code == 0
    assert password not in done.output
    rosa = console_access.user_named(conn, "rosa")
    assert rosa is not None
    assert is_password(password, rosa.password_hash)
    assert "10 to 200 characters" in str(run("user", "password", "rosa", given="short\nshort\n").exception)
    assert "https://console.example.com/login/once/" in run("user", "password", "rosa", "--link").output


def test_the_record_of_views_is_listed_by_customer_user_and_day(
    environment: None, conn: Connection, database_url: str
) -> None:
    assert "PRIVACY_KEY is missing" in str(run("audit", "--customer", "7").exception)
    key = privacy_key.find_or_make()
    for name in ("vera", "otto"):
        run("user", "add", name)
        user = console_access.user_named(conn, name)
        assert user is not None
        console_access.begin_session(conn, user.id, token_hash(name))
    with connect(database_url) as viewing:
        record_views(viewing, token_hash("vera"), "view", [view_subject(key, 7, "")])
        record_views(viewing, token_hash("vera"), "export", [view_subject(key, 7, "")])
        record_views(viewing, token_hash("otto"), "view", [view_subject(key, 8, "")])
    lines = run("audit").output.splitlines()
    assert len(lines) == 3
    assert not any(re.search(r"\b[78]\b", line.split("  ")[4]) for line in lines)
    of_seven = run("audit", "--customer", "7").output.splitlines()
    assert sorted(line.split("  ")[2:4] for line in of_seven) == [["vera", "export"], ["vera", "view"]]
    assert len(run("audit", "--user", "otto").output.splitlines()) == 1
    assert len(run("audit", "--customer", "7", "--user", "otto").output.splitlines()) == 1  # nobody looked
    assert "nobody looked" in run("audit", "--since", "2099-01-01").output
    assert "there is no such user" in str(run("audit", "--user", "nobody").exception)
    conn.execute(
        "UPDATE console_views SET window_start = window_start - interval '25 months' WHERE id_user ="
        " (SELECT id FROM console_users WHERE name = 'otto')"
    )
    assert delete_views_older_than(conn, 24) == 1
    assert len(run("audit").output.splitlines()) == 2


@pytest.mark.slow
def test_the_command_serves_and_logs_no_word_of_a_query(fresh_database_url: str, tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "console.log"
    with connect(fresh_database_url) as conn:  # the start deletes what is older than CONSOLE_AUDIT_MONTHS
        conn.execute("INSERT INTO console_users (name, level) VALUES ('rita', 'analyst')")
        for months, subject in ((3, b"old"), (1, b"new")):
            conn.execute(
                "INSERT INTO console_views (id_user, subject, action, window_start, first_at, last_at)"
                " SELECT id, %s, 'view', t, t, t"
                " FROM console_users, (SELECT now() - %s * interval '1 month' AS t) x",
                (subject, months),
            )
    command = [str(Path(sys.executable).parent / "whatsapp-pipeline"), "console", "--port", str(port)]
    environment = {
        **os.environ,
        "DATABASE_URL": fresh_database_url,
        "PIPELINE_LOCAL_DIR": str(tmp_path),
        "CONSOLE_URL": "https://console.example.com",
        "CONSOLE_AUDIT_MONTHS": "2",
    }
    with log.open("w") as file, subprocess.Popen(command, env=environment, stderr=file) as process:
        try:
            base = f"http://localhost:{port}"
            with httpx.Client(headers={"sec-fetch-site": "same-origin"}, timeout=30) as client:
                _wait_for_console(client, base)
                # The address that the administrator opens is the proxy's, and not the port's.
                link = re.search(r"https://console\.example\.com(/login/once/\S+)", log.read_text())
                assert link
                assert client.post(base + link[1]).headers["location"] == "/account"
                assert client.get(f"{base}/search?q=segredo").status_code == 200
            with connect(fresh_database_url) as conn:
                assert conn.execute("SELECT subject FROM console_views").fetchall() == [(b"new",)]
        finally:
            process.terminate()
            process.wait(30)
            drop_roles(fresh_database_url)
    lines = log.read_text()
    assert re.search(r"GET /search 200 \d+ ms", lines)
    assert re.search(r"POST /login/once/\{link\} 303 \d+ ms", lines)
    assert "segredo" not in lines
    assert "/health" not in lines


def _wait_for_console(client: httpx.Client, base: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            client.get(f"{base}/health").raise_for_status()
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def test_the_console_refuses_to_be_read_along(environment: None) -> None:
    refused = run("--host", "0.0.0.0")
    assert "without TLS" in str(refused.exception)


def test_a_link_to_an_order_is_signed(
    environment: None, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib.parse import parse_qs, urlsplit

    from whatsapp_pipeline import clock
    from whatsapp_pipeline.console.signed_links import checked_link

    conn.execute(
        "INSERT INTO ordens_servico (id, numero_ordem_servico) VALUES (70, '30415'), (71, '5'), (72, '05')"
    )
    assert "CONSOLE_LINK_KEYS is not set" in str(run("link", "--order", "30415").exception)
    secret = "s" * 40
    monkeypatch.setenv("CONSOLE_LINK_KEYS", f"new:{secret},old:{'o' * 40}")
    made = run(
        "link", "--order", "30415", "--minutes", "15", "--origin", "https://erp.example"
    ).output.strip()
    assert made.startswith("https://console.example.com/embed/orders/30415?")
    assert secret not in made
    query = {name: values[0] for name, values in parse_qs(urlsplit(made).query).items()}
    link = checked_link("30415", query, {"new": secret.encode()})
    assert (link.order, link.level, link.origins) == (70, "analyst", ("https://erp.example",))
    assert 880 <= link.expires - clock.now().timestamp() <= 900
    assert "several orders have the number; give --id with one of 72, 71" in str(
        run("link", "--order", "5").exception
    )
    assert (
        "/embed/orders/05?order=72&level=reader&"
        in run("link", "--order", "5", "--id", "72", "--level", "reader").output
    )
    assert "there is no such order" in str(run("link", "--order", "999").exception)
    assert run("link", "--order", "30415", "--origin", "erp.example").exit_code == 2
    assert run("link", "--order", "30415", "--minutes", "0").exit_code == 2


def test_a_programs_token_is_made_listed_and_revoked(environment: None, conn: Connection) -> None:
    made = run("token", "add", "counter", "--level", "analyst", "--days", "90")
    assert made.exit_code == 0
    token = made.output.strip()
    found = api_tokens.token_in_use(conn, token_hash(token))
    assert found is not None
    assert (found.name, found.level) == ("counter", "analyst")
    assert "counter has a token already" in str(run("token", "add", "counter", "--level", "reader").exception)
    assert run("token", "add", "Counter", "--level", "reader").exit_code == 2
    assert run("token", "add", "other").exit_code == 2  # a level is chosen, never given by chance
    listed = run("token", "list")
    assert re.search(r"counter\s+analyst\s+active\s+\S+\s+\d{4}-\d\d-\d\d\s+never", listed.output)
    assert token not in listed.output
    assert run("token", "revoke", "counter").output == "counter: revoked\n"
    assert api_tokens.token_in_use(conn, token_hash(token)) is None
    assert "there is no valid token of that name" in str(run("token", "revoke", "counter").exception)
    assert '"state": "revoked"' in run("token", "list", "--json").output
    assert run("token", "add", "counter", "--level", "manager").exit_code == 0


def test_nobody_logs_in_as_a_program(environment: None, conn: Connection) -> None:
    run("token", "add", "erp", "--level", "reviewer")
    assert run("user", "password", "client.erp", "--link").exit_code == 2
    assert run("user", "add", "client.other").exit_code == 2
    assert run("user", "disable", "client.erp").output == "client.erp: disabled\n"
