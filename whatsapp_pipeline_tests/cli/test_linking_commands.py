"""`link`, `override` and `review` as a user types them."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline.cli.link import link
from whatsapp_pipeline.cli.override import override
from whatsapp_pipeline.cli.review import review
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions, link_month
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links.link_report import match_report
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order

LOG = logging.getLogger(__name__)
Run = Callable[..., Result]


@pytest.fixture
def fresh(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana Lima", "(41) 99999-0001")
        add_contact(conn, 2, "Bruno Lima", "(41) 99999-0001")
        add_contact(conn, 3, "Caio Reis", "(41) 99999-0003")
        add_order(conn, 10, 3, number="30415", equipment="Notebook Dell")
        add_chat(conn, "+55 41 99999-0001", sessions=(Session(),))
        add_chat(conn, "Lima", sessions=(Session(),))
        normalize_contacts(conn, default_area_code=None, log=LOG)
        link_month(conn, "2025-01", LinkOptions(), log=LOG)
        yield conn


@pytest.fixture
def run(fresh_database_url: str) -> Run:
    def call(*arguments: str, command: object = link, keys: str = "") -> Result:
        # A command reads the environment as any process would.
        return CliRunner(env={"DATABASE_URL": fresh_database_url}).invoke(
            command, arguments, input=keys  # type: ignore[arg-type]  # click's own base class is generic
        )  # fmt: skip

    return call


def test_link_explains_a_title_with_its_order(fresh: Connection, run: Run) -> None:
    result = run("Caio Reis OS 30415", "--date", "2025-01-11")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("linked → contact 3 by order_number")
    assert "the order in the title is this contact's" in result.output
    assert "order: linked → order 10 by reference" in result.output


@pytest.mark.parametrize(
    ("title", "phone"),
    [
        ("+1 (415) 555-0671", "(41) 5555-0671"),
        ("+7 (912) 345-06-89", "(91) 2345-0689"),
        ("+54 9 (11) 4321-0678", "(11) 4321-0678"),
        ("98765432109876@lid", "(98) 7654-3210"),
        ("123.456.789-09", "(12) 3456-7890"),
    ],
)
def test_a_foreign_number_a_lid_and_a_document_link_to_no_stranger(
    fresh: Connection, run: Run, title: str, phone: str
) -> None:
    add_contact(fresh, 4, "Davi Pires", phone)
    normalize_contacts(fresh, default_area_code=None, log=LOG)
    assert "no candidate" in run(title).output
    assert "contact 4" in run(phone).output


def test_link_says_so_when_nobody_fits(fresh: Connection, run: Run) -> None:
    assert "no candidate" in run("Zuleica Prado").output


@pytest.mark.parametrize("arguments", [(), ("Ana", "--titles", __file__), ("--contacts", __file__)])
def test_link_wants_a_title_or_files(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_link_files_without_a_database(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text(
        "id,nome,fantasia,telefone,celular\n"
        "1,Ana Lima,,,(41) 99999-0001\n"
        "2,Bruno Souza,Padaria Central,(41) 3333-0002,\n"
        "3,Caio Reis,,,(xx) 99999-0003\n",
        encoding="utf-8",
    )
    (tmp_path / "titles.csv").write_text(
        "title,date,header_phone\n"
        "+55 41 99999-0001,2025-01-11,\n"
        "Padaria Central,2025-01-11,\n"
        "Bruno OS 30415,2025-01-11,\n"
        "+55 41 99999-0003,2025-01-11,\n"
        "Aninha,2025-01-11,554199990001\n"
        "Zuleica Prado,,\n",
        encoding="utf-8",
    )
    (tmp_path / "orders.csv").write_text(
        "id,numero_ordem_servico,id_contato,data_emissao,data_conclusao,equipamento\n"
        "10,30500,1,2025-01-10,2025-01-15,Notebook\n"
        "11,30415,2,2024-01-10,,TV LG\n",
        encoding="utf-8",
    )
    names = [f"--{name}={tmp_path / (name + '.csv')}" for name in ("contacts", "titles", "orders", "out")]
    result = CliRunner().invoke(link, names)
    assert result.exit_code == 0, result.output
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {r["title"]: (r["id_contato"], r["status"], r["method"], r["id_ordem_servico"]) for r in rows}
    assert found == {
        "+55 41 99999-0001": ("1", "linked", "phone_exact", "10"),
        "Padaria Central": ("2", "linked", "name", ""),
        "Bruno OS 30415": ("2", "linked", "order_number", "11"),
        "+55 41 99999-0003": ("3", "proposed", "phone_normalized", ""),
        "Aninha": ("1", "linked", "phone_header", "10"),
        "Zuleica Prado": ("", "unmatched", "none", ""),
    }
    candidates = json.loads(rows[0]["candidates"])
    assert candidates[0]["evidence"][0]["name"] == "phone_exact"
    assert list(rows[0]) == [
        "title", "id_contato", "status", "method", "confidence", "id_ordem_servico", "order_method",
        "order_confidence", "candidates",
    ]  # fmt: skip


def test_link_files_says_where_a_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("id,nome\nx,Ana\n", encoding="utf-8")
    (tmp_path / "titles.csv").write_text("title\nAna\n", encoding="utf-8")
    names = [f"--{name}={tmp_path / (name + '.csv')}" for name in ("contacts", "titles", "out")]
    result = CliRunner().invoke(link, names)
    assert isinstance(result.exception, PipelineError)
    assert "contacts.csv:2: id is no whole number" in str(result.exception)


def test_link_reads_files_as_excel_in_brazil_writes_them(tmp_path: Path) -> None:
    contacts = 'id;nome;fantasia;telefone;celular\r\n1;"João; filho";;;(41) 99999-0001\r\n'
    (tmp_path / "contacts.csv").write_bytes(contacts.encode("cp1252"))
    (tmp_path / "titles.csv").write_bytes(
        "title;date\r\n+55 41 99999-0001;2025-01-01\r\n".encode("utf-8-sig")
    )
    names = [f"--{name}={tmp_path / (name + '.csv')}" for name in ("contacts", "titles", "out")]
    result = CliRunner().invoke(link, names)
    assert result.exit_code == 0, result.output
    assert "1 titles, 1 linked" in result.output


def test_the_files_that_link_writes_are_private_and_hold_no_formula(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("id,nome\n1,Ana Lima\n", encoding="utf-8")
    (tmp_path / "titles.csv").write_text(
        'title\n"=HYPERLINK(""http://x"",""Ana Lima"")"\n+55 41 99999-0001\n', encoding="utf-8"
    )
    names = [f"--{name}={tmp_path / (name + '.csv')}" for name in ("contacts", "titles", "out")]
    assert CliRunner().invoke(link, [*names, f"--model={tmp_path / 'model.json'}"]).exit_code == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [r["title"][:3] for r in csv.DictReader(file)] == ["'=H", "+55"]
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("out.csv", "model.json")} == {0o600}


def test_override_adds_lists_and_takes_back(fresh: Connection, run: Run) -> None:
    added = run("add", "--title", "Lima", "--contact", "2", "--reason", "he says so", command=override)
    assert added.output == "override 1 is in force; it is about chats of 2025-01 (1)\n"
    assert "title lima → contact 2 (he says so)" in run("list", command=override).output
    gone = run("remove", "1", "--reason", "mistaken", command=override)
    assert gone.exit_code == 0, gone.output
    assert run("list", command=override).output == "no overrides\n"
    assert (
        json.loads(run("list", "--all", "--json", command=override).output)[0]["removed_reason"] == "mistaken"
    )
    assert isinstance(run("remove", "1", "--reason", "again", command=override).exception, PipelineError)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--title", "Lima", "--reason", "x"),
        ("--title", "Lima", "--phone", "+55 41 99999-0001", "--no-contact", "--reason", "x"),
        ("--title", "Lima", "--contact", "1", "--no-contact", "--reason", "x"),
        ("--title", "Lima", "--contact", "1"),
        ("--title", "Lima", "--contact", "1", "--reason", " "),
        ("--title", "Lima", "--contact", "1", "--session", "1", "--reason", "x"),
    ],
)
def test_override_refuses_what_is_unclear(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("add", *arguments, command=override).exit_code == 2


def test_override_names_a_contact_that_does_not_exist(fresh: Connection, run: Run) -> None:
    result = run("add", "--title", "Lima", "--contact", "99", "--reason", "x", command=override)
    assert str(result.exception) == "override: there is no contact 99 in contatos"


def test_review_decides_with_one_key_and_links_again(fresh: Connection, run: Run) -> None:
    result = run("--month", "2025-01", "--by", "maria", command=review, keys="e1n")
    assert result.exit_code == 0, result.output
    assert "2 decision(s) kept, 2025-01 linked again" in result.output
    rows = fresh.execute(
        "SELECT target_kind, decision, id_contato, made_by FROM link_overrides ORDER BY target_kind"
    ).fetchall()
    assert rows == [("phone", "contact", 1, "maria"), ("title", "no_contact", None, "maria")]
    statuses = fresh.execute("SELECT DISTINCT match_status FROM chat_files").fetchall()
    assert statuses == [("manual",)]
    assert run("--month", "2025-01", command=review).output == "2025-01: nothing is in doubt\n"


def test_review_can_be_left_and_skips(fresh: Connection, run: Run) -> None:
    assert "0 decision(s) kept" in run("--month", "2025-01", command=review, keys="sq").output
    assert run("--month", "january", command=review).exit_code == 2


def test_the_match_report_counts_waits_and_changes(fresh: Connection, run: Run) -> None:
    report = match_report(fresh, "2025-01")
    assert [(m.status, m.chats) for m in report.methods] == [("ambiguous", 1), ("ambiguous", 1)]
    assert report.changes == {"pending → ambiguous": 2}
    assert {w.title for w in report.waiting} == {"+55 41 9••••-••01", "L••••"}
    assert (report.coverage.contacts, report.coverage.contacts_with_chat) == (3, 0)
    run("--month", "2025-01", command=review, keys="1q")
    assert match_report(fresh, "2025-01").changes == {"ambiguous → manual": 1}
