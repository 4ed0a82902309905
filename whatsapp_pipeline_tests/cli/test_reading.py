"""`order`, `chat` and `open` as a person types them, on months that the chain has filled."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline import clock
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store import grants
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations.cases import handle_case
from whatsapp_pipeline_tests.console.running import running_console
from whatsapp_pipeline_tests.summaries_data import Said, add_chat, add_contact, add_order, add_webhook

TALK, COPY = "leitura/a.txt", "leitura/b.txt"


@pytest.fixture(scope="module")
def url(prepared_url: str) -> str:
    """The filled months, with a talk over two days, a live one, and two orders of one number."""
    with connect(prepared_url) as conn:
        add_contact(conn, 1, "Ana\x1b[2J Leitura")
        chat = add_chat(
            conn,
            1,
            TALK,
            [
                Said(0, "from", "bom dia\n09:01  chat:1  Equipe: aprovado"),
                Said(1, "to", "\x1b]0;x\x07oi"),
                *(Said(1440 + n, "from" if n % 2 else "to", f"linha {n}") for n in range(10)),
            ],
        )
        add_order(conn, chat, 1, 99123, "6")
        conn.execute(
            "UPDATE chat_sessions SET order_match_method = 'direct_os_ref' WHERE id_ordem_servico = 99123"
        )
        conn.execute(
            "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, id_contato)"
            " VALUES (99124, '0000777', '0', 1), (99125, '777', '3', 1)"
        )
        copy = add_chat(conn, 1, COPY, [Said(0, "from", "cópia")])
        conn.execute("UPDATE chat_files SET duplicate_of = %s WHERE id = %s", (chat, copy))
        add_webhook(conn, 1, [Said(9000, "from", "ao vivo"), Said(9001, "to", "já vi")])
        # Whose order is under way, and who waits for no answer.
        add_contact(conn, 2, "Só Ordem")
        conn.execute(
            """
            INSERT INTO customer_chat_summaries (id_contato, first_interaction_date, last_interaction_date,
                communication_frequency, sentiment_analysis, summary, message_count, customer_messages,
                staff_messages, other_messages, conversation_count, facts, claims, input_hash, open_since,
                open_reasons)
            VALUES (2, '2025-01-05', '2025-01-06', 'regular', 'neutral', 'x', 2, 1, 1, 0, 1, '{}', '[]', 'h',
                    '2025-01-06', '{order}')
            """
        )
    return prepared_url


@pytest.fixture(scope="module")
def reader_url(url: str) -> str:
    """The same as a role that may read no message."""
    with connect(url) as conn:
        assert grants.apply(conn) == []
        conn.execute("DROP ROLE IF EXISTS reading_reader")
        conn.execute("CREATE ROLE reading_reader LOGIN PASSWORD 'x' IN ROLE whatsapp_reader")
    return make_conninfo(url, user="reading_reader", password="x")


def invoke(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env={"DATABASE_URL": url})


def shown(url: str, *arguments: str) -> str:
    """Run a command that ends well and return its standard output."""
    result = invoke(url, *arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def ids(url: str, statement: str) -> list[int]:
    with connect(url) as conn:
        return [row[0] for row in conn.execute(statement.encode())]


def texts(url: str, statement: str) -> list[str]:
    with connect(url) as conn:
        return [row[0] for row in conn.execute(statement.encode())]


def chat_of(url: str, path: str) -> int:
    (found,) = ids(url, f"SELECT id FROM chat_files WHERE file_path = '{path}'")
    return found


def test_an_order_with_its_sessions_and_messages(url: str) -> None:
    page = shown(url, "order", "99123")
    assert "OS 99123: Notebook Dell, em andamento, aberta em 07/01/2025 (id 99123)" in page
    assert "Cliente: Ana\\x1b[2J Leitura (contato 1)" in page
    assert f"chat:{chat_of(url, TALK)}  12 mensagens, número da OS citado, confiança 90%" in page, (
        "the session, the method and the confidence of its link"
    )
    assert re.findall(r"linha \d", page) == [f"linha {n}" for n in range(10)]
    assert "── segunda-feira, 06/01/2025 ──" in page
    assert "ao vivo" not in page, "another conversation of the customer is not the order's"
    assert "\x1b" not in page
    last = shown(url, "order", "99123", "--last", "2")
    assert re.findall(r"linha \d", last) == ["linha 8", "linha 9"]
    assert "… mensagens mais antigas" in last
    assert "linha" not in shown(url, "order", "99123", "--last", "0")


def test_every_order_of_the_months_shows_its_messages_in_the_one_order(url: str) -> None:
    with connect(url) as conn:
        row = conn.execute(
            "SELECT id_ordem_servico, array_agg(source || ':' || message_id ORDER BY at, file, ordinal)"
            "  FROM messages_all WHERE id_ordem_servico NOT IN (99123) GROUP BY 1 HAVING count(*) > 3"
            " ORDER BY count(*) DESC LIMIT 1"
        ).fetchone()
    assert row is not None
    found = json.loads(shown(url, "order", str(row[0]), "--last", "5000", "--json"))
    assert [message["message"] for message in found["messages"]] == row[1]
    assert found["id"] == row[0]
    assert sum(session["message_count"] for session in found["sessions"]) >= len(row[1])
    assert {session["order_match_status"] for session in found["sessions"]} <= {"linked", "manual"}


def test_a_number_of_several_orders_is_a_choice(url: str) -> None:
    refused = invoke(url, "order", "#777")
    assert isinstance(refused.exception, PipelineError)
    assert "2 orders have the number #777; give one of these ids" in str(refused.exception)
    assert re.findall(r"id (\d+): number", refused.stderr) == ["99125", "99124"]
    terminal, end = pty.openpty()
    command = [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", "order", "777"]
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
            env={**os.environ, "DATABASE_URL": url},
        )
    finally:
        os.close(terminal)
        os.close(end)
    assert chosen.returncode == 0
    assert "(id 99124)" in chosen.stdout
    assert "Nenhuma conversa foi ligada a esta ordem de serviço." in chosen.stdout
    assert isinstance(invoke(url, "order", "123456789").exception, PipelineError)


def test_a_chat_by_days_with_who_spoke(url: str) -> None:
    page = shown(url, "chat", str(chat_of(url, TALK)))
    lines = page.splitlines()
    assert lines[0] == "Ana\\x1b[2J Leitura (contato 1)"
    days = [line for line in lines if line.startswith("──")]
    assert days == ["── segunda-feira, 06/01/2025 ──", "── terça-feira, 07/01/2025 ──"]
    assert re.findall(r"(Cliente|Equipe): linha", page) == ["Equipe", "Cliente"] * 5
    assert "\x1b" not in page
    assert "\x07" not in page
    # A text can't pass for a message of somebody else.
    assert re.findall(r"^ +│ 09:01  chat:1  Equipe: aprovado$", page, re.MULTILINE)
    assert not [line for line in lines if re.match(r"[ →] 09:01  .*aprovado", line)]
    last = shown(url, "chat", f"chat:{chat_of(url, TALK)}", "--last", "3")
    assert re.findall(r"linha \d|… .*", last) == ["… mensagens mais antigas", "linha 7", "linha 8", "linha 9"]


def test_a_chat_around_a_message(url: str) -> None:
    chat = chat_of(url, TALK)
    (middle,) = ids(url, "SELECT id FROM chat_messages WHERE message_text = 'linha 4'")
    page = shown(url, "chat", str(chat), "--around", str(middle), "--last", "4")
    assert re.findall(r"linha \d|… .*", page) == [
        "… mensagens mais antigas",
        "linha 2",
        "linha 3",
        "linha 4",
        "linha 5",
        "… mensagens mais novas",
    ]
    assert [line[-7:] for line in page.splitlines() if line.startswith("→")] == ["linha 4"]
    found = shown(url, "chat", str(chat), "--around", f"chat:{middle}", "--last", "1", "--json")
    assert json.loads(found)["message"] == f"chat:{middle}"
    (elsewhere,) = ids(url, f"SELECT min(message_id) FROM messages_all WHERE id_chat_file <> {chat}")
    (owner,) = ids(
        url, f"SELECT id_chat_file FROM messages_all WHERE message_id = {elsewhere} AND source = 'chat'"
    )
    refused = invoke(url, "chat", str(chat), "--around", str(elsewhere))
    assert f"use `whatsapp-pipeline chat chat:{owner} --around chat:{elsewhere}`" in str(refused.exception)


def test_a_live_conversation_a_copy_and_what_there_is_not(url: str) -> None:
    (live,) = ids(url, "SELECT id FROM conversations")
    assert re.findall(r"(\w+): (ao vivo|já vi)", shown(url, "chat", f"webhook:{live}")) == [
        ("Cliente", "ao vivo"),
        ("Equipe", "já vi"),
    ]
    copy = invoke(url, "chat", str(chat_of(url, COPY)))
    assert "linha 9" in copy.stdout
    assert f"this is the original, chat {chat_of(url, TALK)}" in copy.stderr
    assert "there is no conversation chat:99999999" in str(invoke(url, "chat", "99999999").exception)
    assert "there is no message chat:0" in str(
        invoke(url, "chat", str(chat_of(url, TALK)), "--around", "0").exception
    )
    for arguments in (("chat", "x"), ("chat", "1", "--around", "mail:1"), ("chat", "1", "--last", "0")):
        assert invoke(url, *arguments).exit_code == 2


def test_open_lists_who_waits_the_longest_first(url: str) -> None:
    waiting = [json.loads(line) for line in shown(url, "open", "--json", "--limit", "1000").splitlines()]
    expected = ids(
        url,
        "SELECT id_contato FROM customer_chat_summaries WHERE 'unanswered' = ANY(open_reasons)"
        " AND open_since IS NOT NULL ORDER BY open_since, id_contato",
    )
    assert [case["id_contato"] for case in waiting] == expected
    assert expected
    assert all(case["business_hours"] > 0 for case in waiting)
    everything = [json.loads(line) for line in shown(url, "open", "--all", "--json").splitlines()]
    assert [case["id_contato"] for case in everything] == ids(
        url,
        "SELECT id_contato FROM customer_chat_summaries WHERE open_since IS NOT NULL"
        " ORDER BY open_since, id_contato LIMIT 50",
    )
    assert {case["id_contato"] for case in everything} - set(expected) == {2}, "an order under way, too"
    first = shown(url, "open", "--limit", "1")
    assert first.split()[0] == str(expected[0])
    assert "sem resposta" in first
    assert "have waited longest are listed" in invoke(url, "open", "--limit", "1").stderr
    rename = "UPDATE contatos SET nome = %s WHERE id = %s"
    (name,) = texts(url, f"SELECT nome FROM contatos WHERE id = {expected[0]}")
    with connect(url) as conn:
        conn.execute(rename, ("Condomínio Jardim das Palmeiras", expected[0]))
    try:
        assert shown(url, "open", "--limit", "1").split("  ")[1] == "Condomínio Jardim das Palme…"
    finally:
        with connect(url) as conn:
            conn.execute(rename, (name, expected[0]))


def test_what_a_person_handled_is_in_neither_list_of_open_cases(url: str) -> None:
    (first, *others) = [
        json.loads(line)["id_contato"] for line in shown(url, "open", "--all", "--json").splitlines()
    ]
    with connect(url) as conn:
        handle_case(conn, first, until=clock.today() + timedelta(days=3), note="liguei\x1b[1m", made_by="rui")
    left = [json.loads(line)["id_contato"] for line in shown(url, "open", "--all", "--json").splitlines()]
    assert left == others
    assert "tratado por rui" in shown(url, "open", "--all", "--handled")
    assert "liguei\\x1b[1m" in shown(url, "open", "--all", "--handled")
    # The console's first page lists the same customers in the same order.
    with running_console(url) as running, running.client("reader") as client:
        part = client.get("/").text.partition('id="cases"')[2].partition("</section>")[0]
    listed = [int(number) for number in re.findall(r'<li><a href="/customers/(\d+)"', part)]
    assert listed == left[:20]
    with connect(url) as conn:
        conn.execute("DELETE FROM handled_cases")


def test_figures_of_the_links_before_a_decision_say_so(url: str, tmp_path: Path) -> None:
    def says() -> list[bool]:
        first = json.loads(shown(url, "open", "--all", "--json").splitlines()[0])
        shown(url, "customer", str(first["id_contato"]), "--html", str(tmp_path / "customer.html"))
        return [
            first["stale_since"] is not None,
            "será recalculado na próxima execução" in shown(url, "open", "--all").splitlines()[0],
            "serão recalculados" in shown(url, "customer", str(first["id_contato"])),
            "serão recalculados" in (tmp_path / "customer.html").read_text(encoding="utf-8"),
        ]

    assert says() == [False] * 4
    with connect(url) as conn:
        conn.execute("INSERT INTO stale_summaries (id_contato) SELECT id_contato FROM open_cases")
        assert says() == [True] * 4
        conn.execute("DELETE FROM stale_summaries")


def test_a_reader_sees_no_message_and_is_told_so(url: str, reader_url: str) -> None:
    page = shown(reader_url, "order", "99123")
    assert "OS 99123: Notebook Dell, em andamento" in page
    assert "12 mensagens, número da OS citado, confiança 90%" in page
    assert "As mensagens não aparecem no seu nível de acesso." in page
    assert "linha" not in page
    found = json.loads(shown(reader_url, "order", "99123", "--json"))
    assert found["messages"] is None
    with connect(reader_url) as conn:
        row = conn.execute("SELECT equipamento FROM v_orders WHERE id_ordem_servico = 99123").fetchone()
    assert row == (found["equipamento"],) == ("Notebook Dell",), "the view and the command agree"
    several = invoke(reader_url, "order", "777")
    assert "2 orders have the number" in str(several.exception)
    refused = invoke(reader_url, "chat", str(chat_of(url, TALK)))
    assert isinstance(refused.exception, PipelineError)
    assert "this role may not read messages" in str(refused.exception)
    assert shown(reader_url, "open", "--all", "--json") == shown(url, "open", "--all", "--json")
