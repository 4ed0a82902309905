"""`customer` and `search` as a person types them."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.summaries_data import Said, add_chat, add_contact, add_order, add_webhook

HOSTILE = '<script>alert("x")</script> & não gostei'


@pytest.fixture(scope="module")
def filled_url(database_url: str) -> str:
    with connect(database_url) as conn:
        add_contact(conn, 1, "Ana <b>Teste")
        add_contact(conn, 2, "Bia Teste")
        add_contact(conn, 3, "Sem Conversa")
        conn.execute(
            "INSERT INTO contact_phones (id_contato, field, position, key, kind) VALUES"
            " (1, 'celular', 0, '4199990000', 'mobile')"
        )
        chat = add_chat(
            conn,
            1,
            "a",
            [Said(0, "from", HOSTILE), Said(5, "to", "Vamos resolver"), Said(72_000, "from", "e a tela?")],
        )
        add_order(conn, chat, 1, 30123, "6")
        add_chat(conn, 2, "b", [Said(0, "from", "obrigada")])
        # An export without seconds: a whole exchange in one minute, and a live message in the next.
        add_contact(conn, 4, "Um Minuto")
        add_chat(conn, 4, "c", [Said(7, "from" if n % 2 else "to", f"linha {n}") for n in range(12)])
        add_webhook(conn, 4, [Said(8, "from", "ao vivo")])
        summarize(conn, SummaryOptions(), log=logging.getLogger(__name__))
    return database_url


def invoke(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env={"DATABASE_URL": url, "DEFAULT_AREA_CODE": ""})


@pytest.mark.parametrize("who", ["1", "+55 41 99999-0000", "(41) 9999-0000", "ana", "ANÁ teste"])
def test_a_customer_by_id_phone_or_name(filled_url: str, who: str) -> None:
    result = invoke(filled_url, "customer", who)
    assert result.exit_code == 0, result.exception
    assert "contato 1" in result.output
    assert "OS 30123" in result.output
    assert "Vamos resolver" in result.output


def test_the_last_messages_are_shown_in_the_order_they_were_said(filled_url: str) -> None:
    result = invoke(filled_url, "customer", "4", "--messages", "4")
    assert result.exit_code == 0, result.exception
    shown = re.findall(r"linha \d+|ao vivo", result.output[result.output.index("Últimas mensagens") :])
    assert shown == ["linha 9", "linha 10", "linha 11", "ao vivo"]


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ("Teste", "several customers have this name: 1, 2; give an id"),
        ("999", "no customer"),
        ("%", "no customer"),
        ("+55 41 98888-0000", "no customer has this phone"),
        (" ", "no customer"),
    ],
)
def test_who_is_not_clear(filled_url: str, who: str, says: str) -> None:
    result = invoke(filled_url, "customer", who)
    assert isinstance(result.exception, PipelineError)
    assert re.search(says, str(result.exception))
    assert "Bia" not in str(result.exception)


def test_customers_of_one_name_are_listed_and_a_person_at_a_terminal_chooses(filled_url: str) -> None:
    result = invoke(filled_url, "customer", "Teste")
    names = re.findall(r"^  (\d)  (\d)  (.*)$", result.output, re.MULTILINE)
    assert [(rank, id_, name.partition(" ·")[0]) for rank, id_, name in names] == [
        ("1", "1", "Ana <b>Teste"),
        ("2", "2", "Bia Teste"),
    ]
    terminal, end = pty.openpty()
    command = [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", "customer", "Teste"]
    try:
        os.write(terminal, b"2\n")  # typed ahead: the terminal keeps it until the question
        chosen = subprocess.run(
            command,
            stdin=end,
            stdout=subprocess.PIPE,
            stderr=end,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "DATABASE_URL": filled_url, "DEFAULT_AREA_CODE": ""},
        )
    finally:
        os.close(terminal)
        os.close(end)
    assert chosen.returncode == 0
    assert "contato 2" in chosen.stdout


def test_several_customers_are_listed_so_that_a_person_can_tell_them_apart(filled_url: str) -> None:
    for arguments in (("customer", "Teste"), ("search", "tela", "--contact", "Teste")):
        result = invoke(filled_url, *arguments)
        lines = [line.split(maxsplit=2)[1:] for line in result.output.splitlines()]
        assert [line[0] for line in lines] == ["1", "2"]
        assert [line[1].startswith(name) for line, name in zip(lines, ("Ana", "Bia"), strict=True)] == [
            True
        ] * 2


def test_a_name_of_many_customers_says_that_the_list_has_an_end(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        for number in range(1, 21):
            add_contact(conn, number, f"Padaria {number}")
        assert "more" not in invoke(fresh_database_url, "customer", "padaria").output
        add_contact(conn, 21, "Padaria 21")
    lines = invoke(fresh_database_url, "customer", "padaria").output.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "  only the first 20 are listed; if yours is not among them, give its id"


def test_a_customer_without_conversations(filled_url: str) -> None:
    result = invoke(filled_url, "customer", "3")
    assert result.exit_code == 0
    assert "Ainda sem resumo" in result.output


def test_the_page_is_escaped_and_loads_nothing(filled_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ana.html"
    assert invoke(filled_url, "customer", "1", "--html", str(path)).exit_code == 0
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "Ana &lt;b&gt;Teste" in page
    assert "<svg" in page
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://", page)
    assert "@media print" in page
    result = invoke(filled_url, "customer", "1", "--html", str(tmp_path / "absent" / "x.html"))
    assert isinstance(result.exception, PipelineError)


def test_search(filled_url: str) -> None:
    assert "«tela»" in invoke(filled_url, "search", "telas").output
    found = [json.loads(line) for line in invoke(filled_url, "search", "tela", "--json").output.splitlines()]
    assert [(hit["id_contato"], hit["side"]) for hit in found] == [(1, "from")]
    assert f"customer, message {found[0]['message_id']}\n" in invoke(filled_url, "search", "tela").output
    with connect(filled_url) as conn:
        order = conn.execute("SELECT id FROM ordens_servico").fetchone()
    assert order is not None
    for named in (str(order[0]), "30123", "#030123"):
        by_order = invoke(filled_url, "search", "tela", "--order", named, "--json")
        assert [json.loads(line)["message_id"] for line in by_order.output.splitlines()] == [
            found[0]["message_id"]
        ]
    assert isinstance(invoke(filled_url, "search", "tela", "--order", "7").exception, PipelineError)
    assert invoke(filled_url, "search", "tela", "--contact", "Bia", "--json").output == ""
    assert invoke(filled_url, "search", "tela", "--until", "2025-01-10", "--json").output == ""
    assert invoke(filled_url, "search", "--phrase", "vamos", "resolver", "--to", "--json").output
    assert invoke(filled_url, "search", "?").exit_code == 2
    assert "nothing found" in invoke(filled_url, "search", "xyzzy").output
