"""`link`, `override` and `review` as a user types them."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline.cli import review_live, review_session
from whatsapp_pipeline.cli.link import link, signed
from whatsapp_pipeline.cli.override import override
from whatsapp_pipeline.cli.review import review
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.decide import ChatDecision, add_override, make_decision, relink_months
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import live_links
from whatsapp_pipeline.store.links.link_report import match_report
from whatsapp_pipeline.store.links.overrides import NewOverride
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order
from whatsapp_pipeline_tests.truth.linked_months import link_month
from whatsapp_pipeline_tests.webhook.deliveries import NOON, delivery, take, text

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
            command,  # type: ignore[arg-type]  # click's own base class is generic
            arguments,
            input=keys,
        )

    return call


def test_link_explains_a_title_with_its_order(fresh: Connection, run: Run) -> None:
    result = run("Caio Reis OS 30415", "--date", "2025-01-11")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("linked → contact 3 by order_number")
    assert "the order in the title is this contact's" in result.output
    assert "order: linked → order 10 by direct_os_ref" in result.output


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


def test_log_odds_that_round_to_nothing_have_no_minus() -> None:
    assert [signed(value, 0, 1) for value in (-0.04, 0.0, -0.05001, 2.06)] == ["+0.0", "+0.0", "-0.1", "+2.1"]
    assert signed(-0.004) == "  +0.00"


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
        "+55 41 99999-0001": ("1", "linked", "exact_phone", "10"),
        "Padaria Central": ("2", "linked", "name_match", ""),
        "Bruno OS 30415": ("2", "linked", "order_number", "11"),
        "+55 41 99999-0003": ("3", "proposed", "normalized_phone", ""),
        "Aninha": ("1", "linked", "phone_header", "10"),
        "Zuleica Prado": ("", "unmatched", "", ""),
    }
    candidates = json.loads(rows[0]["candidates"])
    assert candidates[0]["evidence"][0]["name"] == "exact_phone"
    assert list(rows[0]) == [
        "title",
        "id_contato",
        "status",
        "method",
        "confidence",
        "id_ordem_servico",
        "order_method",
        "order_confidence",
        "candidates",
    ]


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


@pytest.mark.slow
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
    result = run("--month", "2025-01", "--by", "maria", command=review, keys="e1says so\nn3\n")
    assert result.exit_code == 0, result.output
    assert "2 decision(s) stored, 2025-01 linked again" in result.output
    assert "file: 2025/01/Lima.txt" in result.output
    assert "the decision will apply to every chat of the phone 4199990001: 1 chat(s)" in result.output
    assert "the decision will apply to this chat only: 1 chat(s)" in result.output
    rows = fresh.execute(
        "SELECT target_kind, decision, id_contato, nobody_kind, made_by, reason FROM link_overrides"
        " ORDER BY target_kind"
    ).fetchall()
    assert rows == [
        ("file", "no_contact", None, "private_or_supplier", "maria", "review: none of 2 candidate(s)"),
        ("phone", "contact", 1, None, "maria", "says so"),
    ]
    statuses = fresh.execute("SELECT DISTINCT match_status FROM chat_files").fetchall()
    assert statuses == [("manual",)]
    assert (
        run("--month", "2025-01", command=review).output == "2025-01: no chat or session waits for review\n"
    )


def test_review_decides_on_a_title_only_when_that_is_chosen(fresh: Connection, run: Run) -> None:
    add_chat(fresh, "Lima", path="2025/01/again.txt")
    link_month(fresh, "2025-01", LinkOptions(), log=LOG)
    result = run("--month", "2025-01", "--limit", "2", command=review, keys="stt2all of them\n")
    assert (
        "the decision will apply to EVERY chat with this title, whatever its phone: 2 chat(s)"
        in result.output
    )
    assert "the decision will apply to this chat only: 1 chat(s)" in result.output
    made = run("--month", "2025-01", command=review, keys="t2all of them\n")
    assert "1 decision(s) stored" in made.output
    assert fresh.execute("SELECT target_kind, target FROM link_overrides").fetchall()[-1] == ("title", "lima")


def test_review_says_what_would_move_before_it_asks_for_the_reason(fresh: Connection, run: Run) -> None:
    own = add_chat(fresh, "Lima", path="2025/01/again.txt")
    other = add_chat(fresh, "Lima", path="2025/01/third.txt")
    link_month(fresh, "2025-01", LinkOptions(), log=LOG)
    for chat in (own, other):
        make_decision(fresh, ChatDecision(chat, "contact", 1, "x", "ana", "chat"))
    result = run("--month", "2025-01", "--limit", "2", command=review, keys="st2all of them\n")
    assert (
        "the decision will apply to EVERY chat with this title, whatever its phone: 3 chat(s) "
        "(2 now linked to contact 1)" in result.output
    )
    said = "the decision would apply to 1 chat(s), 0 messages; 2 other(s) keep another decision"
    assert said in result.output
    assert result.output.index(said) < result.output.index("why [")
    assert "stored as override 3: contact 2" in result.output


def test_review_steps_through_unmatched_chats_and_unlinked_sessions(fresh: Connection, run: Run) -> None:
    chat = add_chat(fresh, "Zuleica", sessions=(Session(),))
    far = add_chat(fresh, "+55 41 99999-0003", sessions=(Session(day=date(2025, 9, 1)),))
    fresh.execute(
        "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, type, direction, message_text,"
        " line, body_hash) SELECT %s, n, '2025-01-10'::timestamp + n * interval '1 minute', 'text', 'from',"
        " 'words ' || n, n, n FROM generate_series(1, 9) n",
        (chat,),
    )
    relink_months(fresh, ["2025-01"], default_area_code=None, log=LOG)
    result = run("--month", "2025-01", command=review, keys="sso30415\nshe says so\no3\nnow known\n")
    assert result.exit_code == 0, result.output
    assert f"chat {chat}: unmatched" in result.output
    assert "| 2025-01-10 00:01 customer words 1\n" in result.output
    assert "| 2025-01-10 00:09 customer words 9\n" in result.output
    assert "words 5" not in result.output
    assert f"chat {far}, session 1: unmatched" in result.output
    assert "2 decision(s) stored" in result.output
    linked = fresh.execute("SELECT id_contato FROM chat_files WHERE id = %s", (chat,)).fetchone()
    orders = fresh.execute(
        "SELECT order_match_status, id_ordem_servico FROM chat_sessions WHERE id_chat_file = %s", (far,)
    ).fetchone()
    assert (linked, orders) == ((3,), ("manual", 10))


def test_review_can_be_left_and_puts_off(fresh: Connection, run: Run) -> None:
    assert "0 decision(s) stored" in run("--month", "2025-01", command=review, keys="sq").output
    assert "[1/1]" in run("--month", "2025-01", command=review, keys="q").output
    assert "[1/2]" in run("--month", "2025-01", "--by", "bia", command=review, keys="q").output
    assert run("--month", "january", command=review).exit_code == 2


def test_review_undoes_what_was_just_decided(fresh: Connection, run: Run) -> None:
    result = run("--month", "2025-01", command=review, keys="1\nuq")
    assert "override 1 is withdrawn" in result.output
    assert "0 decision(s) stored, 2025-01 linked again" in result.output
    statuses = fresh.execute("SELECT DISTINCT match_status FROM chat_files").fetchall()
    assert statuses == [("ambiguous",)]


def test_review_record_wrong_unlinks_and_says_what_comes_next(fresh: Connection, run: Run) -> None:
    chat = add_chat(fresh, "+55 41 99999-0003")
    link_month(fresh, "2025-01", LinkOptions(), log=LOG)
    result = run("record", str(chat), "wrong", "--note", "her sister", "--by", "maria", command=review)
    assert result.exit_code == 0, result.output
    assert "its contact is refused for this chat (override 1" in result.output
    assert "is now unmatched and waits in `review`" in result.output
    gone = run("remove", "1", "--reason", "mistaken", command=override)
    assert gone.output == "override 1 is withdrawn; 2025-01 linked again\n"
    row = fresh.execute("SELECT match_status, id_contato FROM chat_files WHERE id = %s", (chat,)).fetchone()
    assert row == ("linked", 3)
    assert isinstance(run("record", "999", "right", command=review).exception, PipelineError)


def test_the_sample_is_judged_blind(fresh: Connection, run: Run) -> None:
    chats = {add_chat(fresh, "+55 41 99999-0003", path=f"2025/01/{n}.txt"): n for n in range(3)}
    link_month(fresh, "2025-01", LinkOptions(), log=LOG)
    # Chat by chat in the order of the draws: the linked contact, unsure, another contact.
    shown = run("--sample", command=review, keys="q").output
    assert "confidence" not in shown.split("[1/3]")[1].split("0 verdict(s)")[0]
    assert "linked" not in shown
    assert "no precision can be computed yet" in shown
    options = [line.split()[0] for line in shown.splitlines() if line.rstrip().find("(3)") > 0]
    result = run("--sample", "--by", "ana", command=review, keys=f"{options[0]}?o1\nher husband\n")
    assert result.exit_code == 0, result.output
    assert "right: the rules linked contact 3 by " in result.output
    assert "kept: the chat is contact 1's" in result.output
    assert "3 verdict(s) stored" in result.output
    assert "right links: ≥ " in result.output
    assert "3 verdicts (2 wrong or unsure) of 2 links" in result.output
    verdicts = fresh.execute("SELECT verdict, is_blind, reviewer FROM review_verdicts ORDER BY id").fetchall()
    assert verdicts == [("right", True, "ana"), ("unsure", True, "ana"), ("wrong", True, "ana")]
    links = fresh.execute(
        "SELECT match_status, id_contato, count(*) FROM chat_files WHERE id = ANY(%s)"
        " GROUP BY 1, 2 ORDER BY 1",
        (list(chats),),
    ).fetchall()
    assert links == [("linked", 3, 2), ("manual", 1, 1)]
    assert (
        "every link that the rules made in these months has a verdict"
        in run("--sample", command=review).output
    )


def _write_phone_links(conn: Connection) -> dict[int, int]:
    """Write eight contacts with a phone and a chat each, the last with three; return contact → chat."""
    chats = {}
    for contact in range(11, 19):
        phone = f"(41) 99999-01{contact}"
        add_contact(conn, contact, f"Cliente {contact}", phone)
        for number in range(3 if contact == 18 else 1):
            chats[contact] = add_chat(conn, f"+55 {phone}", path=f"2025/01/{contact}-{number}.txt")
    relink(conn)
    return chats


def relink(conn: Connection) -> None:
    normalize_contacts(conn, default_area_code=None, log=LOG)
    link_month(conn, "2025-01", LinkOptions(), log=LOG)


def _surety(conn: Connection, chat: int) -> tuple[str, float]:
    row = conn.execute(
        "SELECT match_status, match_confidence FROM chat_files WHERE id = %s", (chat,)
    ).fetchone()
    assert row is not None
    return str(row[0]), float(row[1])


def test_verdicts_teach_how_sure_a_phone_makes_a_link(fresh: Connection, run: Run) -> None:
    chats = _write_phone_links(fresh)
    other = chats[11]
    draws = "SELECT id_chat_file, weight, draw FROM rule_links WHERE id_chat_file = ANY(%s) ORDER BY 1"
    kept = [chats[contact] for contact in range(11, 14)]
    drawn = fresh.execute(draws, (kept,)).fetchall()
    status, shipped = _surety(fresh, other)
    assert status == "linked"
    run("record", str(chats[12]), "right", command=review)
    relink(fresh)
    assert _surety(fresh, other) == ("linked", shipped)  # one right verdict is what was expected
    run("record", str(chats[13]), "wrong", command=review)
    run("record", str(chats[14]), "wrong", command=review)
    status, learned = _surety(fresh, other)
    assert status == "linked"
    assert 0.95 < learned < shipped - 0.01
    words = fresh.execute(
        "SELECT evidence -> 1 ->> 'words' FROM match_candidates WHERE id_chat_file = %s", (other,)
    )
    assert words.fetchone() == ("what reviewers said of links by such a phone",)
    # The draws of the guaranteed precision stay where they were.
    assert fresh.execute(draws, (kept,)).fetchall() == drawn
    # Three chats of one phone that a person gives to somebody else are one verdict.
    one = _surety(fresh, other)[1]
    override_18 = ("add", "--phone", "+55 41 99999-0118", "--contact", "11", "--reason", "trocou de número")
    assert run(*override_18, command=override).exit_code == 0
    relink(fresh)
    together = _surety(fresh, other)[1]
    run("record", str(chats[15]), "wrong", command=review)
    assert one - together == pytest.approx(together - _surety(fresh, other)[1], abs=0.005)
    # With the shares that six wrong ones of seven leave, such a phone only proposes.
    for contact in (16, 17):
        run("record", str(chats[contact]), "wrong", command=review)
    assert _surety(fresh, other)[0] == "proposed"
    taken_back = fresh.execute(
        "SELECT id FROM link_overrides WHERE decision = 'not_contact' ORDER BY id"
    ).fetchall()
    for (made,) in taken_back:
        run("remove", str(made), "--reason", "engano", command=override)
    relink(fresh)
    assert _surety(fresh, other)[0] == "linked"


def test_an_order_is_named_by_id_or_by_number(fresh: Connection, run: Run) -> None:
    add = ("add", "--title", "Lima", "--reason", "x")
    assert run(*add, "--order", "#030415", command=override).exit_code == 0
    add_order(fresh, 11, 1, number="30415")
    several = run(*add, "--order", "30415", command=override)
    assert str(several.exception) == "2 orders have the number 30415; give one of these ids"
    assert "id 10: number 30415, contact 3, 2025-01-10, Notebook Dell" in several.output
    add_order(fresh, 30415, 2, number="7")
    assert run(*add, "--order", "30415", command=override).exit_code == 0  # an id goes first
    assert "no order with the id or number '99'" in str(
        run(*add, "--order", "99", command=override).exception
    )
    orders = fresh.execute("SELECT id_ordem_servico FROM link_overrides ORDER BY id").fetchall()
    assert orders == [(10,), (30415,)]


def test_the_match_report_counts_waits_and_changes(fresh: Connection, run: Run) -> None:
    report = match_report(fresh, "2025-01")
    assert [(m.status, m.chats) for m in report.methods] == [("ambiguous", 1), ("ambiguous", 1)]
    assert report.changes == {"pending → ambiguous": 2}
    assert {w.title for w in report.waiting} == {"+55 41 9••••-••01", "L••••"}
    assert (report.coverage.contacts, report.coverage.contacts_with_chat) == (3, 0)
    run("--month", "2025-01", command=review, keys="1\nq")
    assert match_report(fresh, "2025-01").changes == {"ambiguous → manual": 1}


def _write_live(conn: Connection) -> None:
    contacts = [{"wa_id": "5541999990001", "profile": {"name": "~"}}]
    take(conn, delivery(text("w1", "oi", sender="5541999990001"), contacts=contacts))
    add_order(conn, 11, 3, number="30500", equipment="Notebook Dell")
    take(conn, delivery(text("w2", "bom dia", sender="5541999990003", at=NOON - 86400 * 300)))


def _live(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute(
        "SELECT external_id, id_contato, match_status, match_method FROM conversations ORDER BY external_id"
    ).fetchall()


def test_review_decides_on_live_conversations(fresh: Connection, run: Run) -> None:
    _write_live(fresh)
    assert _live(fresh)[0][1:3] == (None, "ambiguous")
    # The phone's first candidate for the conversation; order 30500 by its number for the session in doubt.
    result = run("--live", "--by", "maria", command=review, keys="t1é a Ana\no30500\nfoi esta\n")
    assert result.exit_code == 0, result.output
    assert "the decision will apply to this conversation only" in result.output
    assert "| 2026-03-02 09:00 customer oi" in result.output
    assert "2 decision(s) stored" in result.output
    assert _live(fresh)[0][2:] == ("manual", "override")
    decided = fresh.execute(
        "SELECT target_kind, decision, id_ordem_servico, session_number FROM link_overrides ORDER BY id"
    ).fetchall()
    assert decided == [("conversation", "contact", None, None), ("conversation", "order", 11, 1)]
    sessions = fresh.execute(
        "SELECT id_ordem_servico, order_match_status FROM chat_sessions WHERE id_ordem_servico IS NOT NULL"
    ).fetchall()
    assert sessions == [(11, "manual")]


def test_what_is_put_off_in_live_review_comes_back_after_a_week_and_stays_for_others(
    fresh: Connection, run: Run
) -> None:
    _write_live(fresh)
    shown = run("--live", "--by", "maria", command=review, keys="q").output
    assert "[1/2]" in shown  # the conversation, and the session of the other one
    assert "s put off a week · u undo" in shown
    run("--live", "--by", "maria", command=review, keys="ss")
    assert "no live conversation waits for review" in run("--live", "--by", "maria", command=review).output
    assert "[1/2]" in run("--live", "--by", "rui", command=review, keys="q").output
    days = fresh.execute(
        "SELECT session_number, date_trunc('day', until - made_at) FROM review_snoozes ORDER BY 1"
    ).fetchall()
    assert [(session, wait.days in (6, 7)) for session, wait in days] == [(1, True), (None, True)]
    fresh.execute("UPDATE review_snoozes SET until = now() WHERE session_number = 1")
    again = run("--live", "--by", "maria", command=review, keys="s")
    assert "[1/1]" in again.output
    assert "session 1" in again.output
    fresh.execute("DELETE FROM conversations")
    assert fresh.execute("SELECT count(*) FROM review_snoozes").fetchone() == (0,)


def _another_decides(conn: Connection, contact: int) -> None:
    row = conn.execute("SELECT id FROM conversations WHERE external_id = '5541999990001'").fetchone()
    assert row is not None
    target = live_links.live_target(conn, row[0])
    assert target is not None
    add_override(conn, NewOverride("conversation", target, "contact", contact, "é o Bruno", "rui"))


@pytest.mark.parametrize("moment", ["shown", "queued"])
def test_live_review_notices_that_another_reviewer_decided(
    fresh: Connection, run: Run, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Another reviewer decides while the item is shown, or between reading the queue and that."""
    _write_live(fresh)
    module, name = (review_session, "read_reason") if moment == "shown" else (review_live, "live_queue")
    own = getattr(module, name)

    def another_first(*arguments: object, **options: object) -> object:
        found = own(*arguments, **options)
        if _live(fresh)[0][2] != "manual":
            _another_decides(fresh, 2)
            relink_months(fresh, [], default_area_code=None, log=LOG)
        return found

    monkeypatch.setattr(module, name, another_first)
    keys = "1é a Ana\nq" if moment == "shown" else "q"
    result = run("--live", "--by", "maria", command=review, keys=keys)
    assert "was already decided by rui at 20" in result.output
    assert "0 decision(s) stored" in result.output
    assert "[2/2]" in result.output  # the review goes on with the next item
    assert _live(fresh)[0][1:] == (2, "manual", "override")
    decisions = fresh.execute("SELECT id_contato, made_by, removed_at FROM link_overrides").fetchall()
    assert decisions == [(2, "rui", None)]


def test_a_decision_of_this_sitting_on_a_conversation_is_undone(fresh: Connection, run: Run) -> None:
    _write_live(fresh)
    before = _live(fresh)
    result = run("--live", "--by", "maria", command=review, keys="u1é a Ana\nuq")
    assert "nothing was decided in this session" in result.output
    assert "is withdrawn" in result.output
    assert "0 decision(s) stored" in result.output
    assert _live(fresh) == before
    overrides = fresh.execute("SELECT reason, removed_by FROM link_overrides").fetchall()
    assert overrides == [("é a Ana", "maria")]


def test_override_names_a_live_conversation_or_its_phone(fresh: Connection, run: Run) -> None:
    _write_live(fresh)
    row = fresh.execute("SELECT id FROM conversations WHERE external_id = '5541999990001'").fetchone()
    assert row is not None
    told = ("--contact", "2", "--reason", "é o Bruno")
    result = run("add", "--conversation", str(row[0]), *told, command=override)
    assert "it is about no chat yet and 1 live conversation(s)" in result.output
    assert _live(fresh)[0][1:] == (2, "manual", "override")
    result = run(
        "add", "--phone", "+55 41 99999-0003", "--contact", "2", "--reason", "trocou", command=override
    )
    assert "and 1 live conversation(s)" in result.output
    assert _live(fresh)[1][1:] == (2, "manual", "override")
    result = run("add", "--conversation", "999", *told, command=override)
    assert str(result.exception) == (
        "override: there is no live conversation 999; `review --live` lists them"
    )
