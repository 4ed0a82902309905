"""All that a full run prints and Dagster stores, searched for every phone and name of the sample."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.conftest import create_database, drop_database

SAMPLE = PROJECT_ROOT / "data"
# Eight digits as phones are written, whatever stands before them.
_PHONE = re.compile(r"(?<!\d)(?:\d{2}\D{0,2})?9?(\d{4})[-\s.]?(\d{4})(?!\d)")


@pytest.fixture(scope="module")
def dagster_url(admin_url: str) -> Iterator[str]:
    name = f"dagster_{uuid4().hex[:8]}"
    yield create_database(admin_url, name, "template0")
    drop_database(admin_url, name)


@pytest.fixture(scope="module")
def output(database_url: str, dagster_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What two full runs print: text and JSON logs, a table and a JSON object."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "DAGSTER_DATABASE_URL": dagster_url,
        "PIPELINE_LOCAL_DIR": str(tmp_path_factory.mktemp("local")),
    }
    command = [
        str(Path(sys.executable).parent / "whatsapp-pipeline"),
        "run",
        "--archive",
        str(SAMPLE / "organized_whatsapp_chats"),
        "--erp",
        str(SAMPLE / "erp"),
    ]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr[-2000:]
    second = subprocess.run(
        [*command, "--months", "2025-01", "--json"],
        env={**environment, "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 0, second.stderr[-2000:]
    return first.stdout + first.stderr + second.stdout + second.stderr


def _stored(url: str) -> str:
    """Every row of every table of Dagster's own database, as text."""
    with psycopg.connect(url) as conn:
        tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return "\n".join(
            row[0] for (table,) in tables for row in conn.execute(f'SELECT t::text FROM "{table}" t'.encode())
        )


def _people(url: str) -> tuple[set[str], set[str]]:
    """The last eight digits of every phone, and every name of two words, of contacts and chats."""
    with connect(url) as conn:
        phones = conn.execute(
            "SELECT celular FROM contatos UNION SELECT telefone FROM contatos"
            " UNION SELECT phone_number FROM chat_files UNION SELECT raw FROM chat_phones"
        ).fetchall()
        names = conn.execute(
            "SELECT nome FROM contatos UNION SELECT fantasia FROM contatos"
            " UNION SELECT customer_name FROM chat_files UNION SELECT sender_name FROM chat_messages"
        ).fetchall()
    digits = {re.sub(r"\D", "", phone or "") for (phone,) in phones}
    return {d[-8:] for d in digits if len(d) >= 10}, {n for (n,) in names if n and " " in n.strip()}


def _texts(url: str) -> set[str]:
    """Messages long enough to be recognised."""
    with connect(url) as conn:
        rows = conn.execute("SELECT DISTINCT message_text FROM chat_messages WHERE length(message_text) > 30")
        return {text.splitlines()[0] for (text,) in rows if len(text.splitlines()[0]) > 30}


def _found(text: str, phones: set[str], words: set[str]) -> list[str]:
    # JSON may spell an accent as \\u00e3.
    plain = re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
    hits = [
        plain[max(0, match.start() - 80) : match.end() + 20]
        for match in _PHONE.finditer(plain)
        if match[1] + match[2] in phones
    ]
    return hits + [plain[max(0, at - 80) : at + 60] for word in words if (at := plain.find(word)) >= 0]


def test_nothing_printed_names_anybody(output: str, database_url: str) -> None:
    phones, names = _people(database_url)
    assert len(phones) > 50
    assert len(names) > 30
    assert "chat_messages" in output
    assert _found(output, phones, names | _texts(database_url)) == []


def test_nothing_dagster_stores_names_anybody(output: str, database_url: str, dagster_url: str) -> None:
    stored = _stored(dagster_url)
    assert "ASSET_MATERIALIZATION" in stored
    phones, names = _people(database_url)
    assert len(_texts(database_url)) > 100
    assert _found(stored, phones, names | _texts(database_url)) == []


def test_the_search_itself_finds_what_is_there(database_url: str, output: str) -> None:
    phones, names = _people(database_url)
    phone, name = min(phones), min(names)
    assert _found(f"x +55 41 9{phone[:4]}-{phone[4:]} y", phones, names)
    assert _found(f'{{"nome": "{name}"}}', phones, names)
