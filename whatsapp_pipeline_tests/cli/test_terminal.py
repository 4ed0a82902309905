"""No command hands a terminal the control characters that a name, a title or a message holds."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests import summaries_data
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact
from whatsapp_pipeline_tests.truth.linked_months import link_month

LOG = logging.getLogger(__name__)
EVIL = "\x1b]52;c;aGk=\x07\x9b2J\u202e\nerror: forged"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    with connect(database_url) as conn:
        add_contact(conn, 1, f"Ana {EVIL}", "(41) 99999-0001")
        add_contact(conn, 2, f"Bia {EVIL}", "(41) 99999-0001")
        add_chat(conn, "+55 41 99999-0001", sessions=(Session(),))
        add_chat(conn, f"Ana {EVIL}", sessions=(Session(),))
        summaries_data.add_chat(conn, 1, "c", [summaries_data.Said(0, "from", f"notebook {EVIL} quebrado")])
        conn.execute(
            "INSERT INTO exceptions (stage, file_path, chat_number, month, line, kind, severity, detail)"
            " VALUES ('s', %s, 1, '2025-01', NULL, 'vanished', 'error', %s)",
            (f"2025/01/{EVIL}.txt", f"about {EVIL}"),
        )
        normalize_contacts(conn, default_area_code=None, log=LOG)
        link_month(conn, "2025-01", LinkOptions(), log=LOG)
        summarize(conn, SummaryOptions(), log=LOG)
    # A decision to list, whichever of the commands below runs first.
    add = ["override", "add", "--title", f"Bia {EVIL}", "--contact", "2", "--reason", EVIL]
    added = CliRunner().invoke(cli, add, env={"DATABASE_URL": database_url, "PRIVACY_KEY": "k" * 32})
    assert added.exit_code == 0, added.output
    return database_url


@pytest.mark.parametrize(
    "command",
    [
        ("search", "notebook"),
        ("search", "notebook", "--json"),
        ("customer", "1"),
        ("customer", "Ana"),
        ("link", "+55 41 99999-0001"),
        ("link", f"Ana {EVIL}"),
        ("exceptions", "list"),
        ("exceptions", "list", "--json"),
        ("exceptions", "list", "--kind", EVIL),
        ("privacy", "export", "--contact", "1"),
        ("status",),
        ("override", "add", "--title", f"Ana {EVIL}", "--contact", "2", "--reason", EVIL),
        ("override", "list"),
        ("override", "list", "--json"),
    ],
)
def test_no_command_prints_a_control_character(url: str, tmp_path: Path, command: tuple[str, ...]) -> None:
    environment = {"DATABASE_URL": url, "CHAT_ARCHIVE": str(tmp_path), "PRIVACY_KEY": "k" * 32}
    result = CliRunner().invoke(cli, command, env=environment)
    shown = result.output + str(result.exception or "")
    if result.exception is None:
        assert result.exit_code == 0
        assert not CONTROL.findall(result.output)
        assert "\nerror: forged" not in result.output
    assert "forged" in shown or command[0] == "status" or "add" in command


def test_the_snippet_of_a_search_keeps_its_stress(url: str) -> None:
    found = CliRunner().invoke(cli, ["search", "notebook"], env={"DATABASE_URL": url})
    assert "«notebook»" in found.output
    as_json = CliRunner().invoke(cli, ["search", "notebook", "--json"], env={"DATABASE_URL": url})
    assert EVIL.split("\n", maxsplit=1)[0] in json.loads(as_json.output)["snippet"]


def test_parse_prints_none_either(tmp_path: Path) -> None:
    file = tmp_path / "chat.txt"
    file.write_text("05/01/2025 10:00 - Ana \x9b2J: oi \x1b[2J\u202e fim\n05/01/2025 10:01 - Bia: ok\n")
    result = CliRunner().invoke(cli, ["parse", str(file)])
    assert result.exit_code == 0, result.output
    assert not CONTROL.findall(result.output)
    assert json.loads(result.stdout.splitlines()[0])["text"] == "oi \x1b[2J\u202e fim"
