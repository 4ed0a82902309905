"""The QA report on real months: complete, masked, escaped, self-contained."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import dagster as dg
import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.checks.qa import CheckScope, evaluate_check
from whatsapp_pipeline.definitions import QA_CHECKS, build_defs, rule_book
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.shared_folder import LocalFolder
from whatsapp_pipeline.steps.operations.qa_report import History, QaReport, RunLine, make, write_report
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import verdicts
from whatsapp_pipeline.store.links.precision_sample import next_links
from whatsapp_pipeline.store.operations import qa_results
from whatsapp_pipeline.store.operations.improvements import improvements
from whatsapp_pipeline_tests.prepared import FILES, MONTHS, Prepared

RULES = rule_book(with_erp=True).rules()
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(prepared_url: str, prepared: Prepared) -> Iterator[tuple[Connection, History]]:
    with connect(prepared_url) as conn:
        yield conn, prepared.history


@pytest.fixture
def report(filled: tuple[Connection, History]) -> QaReport:
    conn, past = filled
    return make(conn, MONTHS, past, RULES, made_at=NOW)


class _Page(HTMLParser):
    """Collects tags that were closed in order, what could be fetched, and headings.

    The page itself fetches no link to the console; a browser follows one when a person clicks on it.
    """

    VOID = frozenset({"meta", "br"})
    CONSOLE = re.compile(r"http://localhost:8090/(chats/chat:|customers/|orders/-\?id=)\d+")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetches: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetches += [
            f"{tag} {name}"
            for name, value in attrs
            if name in {"src", "href", "action"}
            and not (value or "").startswith("#")
            and not (tag == "a" and self.CONSOLE.fullmatch(value or ""))
        ]
        if tag in {"script", "link", "iframe", "img"}:
            self.fetches.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def _parse(html: str) -> _Page:
    parser = _Page()
    parser.feed(html)
    assert parser.open == []
    return parser


def _text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_page_has_every_section_and_fetches_nothing(report: QaReport) -> None:
    found = _parse(report.html)
    assert found.headings == [
        "Ligação com contatos",
        "Precisão garantida das ligações",
        "Conversas em dúvida ou sem contato",
        "Ligação com ordens de serviço",
        "Mensagens e ocorrências",
        "Verificações",
        "Execuções",
        "Amostra para revisão",
        "O que melhorar",
    ]
    assert found.fetches == []
    assert "`" not in report.html  # commands are marked as such
    assert "<code>whatsapp-pipeline review --month MÊS</code>" in report.html
    assert "url(" not in report.html
    assert report.chats == FILES
    assert report.counts()["months"] == len(MONTHS)
    assert "monthly_load" in report.html  # the run history
    assert "erp_pass_complete" in report.html  # the checks


def test_no_phone_and_no_name_of_the_sample_is_on_it(
    report: QaReport, filled: tuple[Connection, History]
) -> None:
    conn, _ = filled
    digits = re.sub(r"[^\d]", "", re.sub(r"<[^>]+>", " ", report.html))
    for phone, name in conn.execute("SELECT phone_number, customer_name FROM chat_files").fetchall():
        if phone:
            assert re.sub(r"\D", "", phone)[-8:] not in digits
        if name and len(name) > 4:
            assert f">{name}<" not in report.html
    for (name,) in conn.execute("SELECT nome FROM contatos WHERE length(nome) > 4").fetchall():
        assert name not in report.html


def test_names_are_shown_when_asked_for(filled: tuple[Connection, History]) -> None:
    conn, past = filled
    row = verdicts.review_sample(conn, "2025-01")[0]
    html = make(conn, ["2025-01"], past, RULES, made_at=NOW, show_names=True).html
    assert escape(row.file_path) in html
    doubtful = conn.execute(
        "SELECT f.title, k.nome FROM chat_files f JOIN match_candidates m ON m.id_chat_file = f.id"
        " JOIN contatos k ON k.id = m.id_contato WHERE f.match_status IN ('ambiguous', 'proposed')"
    ).fetchall()
    whole = make(conn, MONTHS, past, RULES, made_at=NOW, show_names=True).html
    assert doubtful
    assert all(escape(title) in whole and escape(name) in whole for title, name in doubtful)
    assert "guarde esta página como guarda as conversas" in html


def test_titles_are_escaped(filled: tuple[Connection, History]) -> None:
    conn, past = filled
    with conn.transaction(force_rollback=True):
        conn.execute(
            "UPDATE chat_files SET title = '<script>alert(1)</script>', match_flags = '{\"<b>x\"}',"
            " file_path = '<img src=x onerror=y>' || id"
        )
        for names in (False, True):
            html = make(conn, MONTHS, past, RULES, made_at=NOW, show_names=names).html
            assert _parse(html).fetches == []
            assert "<script>" not in html
            assert "<b>x" not in html


def test_verdicts_show_in_the_next_report(filled: tuple[Connection, History]) -> None:
    conn, past = filled
    with conn.transaction(force_rollback=True):
        sample = verdicts.review_sample(conn, "2025-01")
        for number, row in enumerate(sample[:10]):
            said = "wrong" if number == 0 else "right"
            verdicts.record_verdict(conn, row.id_chat_file, said, note=None, reviewer="ana")
        report = make(conn, ["2025-01"], past, RULES, made_at=NOW)
        assert report.reviewed == 10
        assert "90,0% de concordância" in report.html
        drawn = next_links(conn, ["2025-01"], limit=100)
        for item in drawn:
            verdicts.record_verdict(conn, item.id_chat_file, "right", note=None, reviewer="ana")
        everything = _text(make(conn, ["2025-01"], past, RULES, made_at=NOW).html)
        assert re.search(r"todos ≥ \d+,\d% \d+ [01] \d+", everything)


def _precision_lines(conn: Connection, past: History) -> dict[str, tuple[str, ...]]:
    """Return what the page says of each method's links: share, verdicts, wrong or unsure, links."""
    text = _text(make(conn, MONTHS, past, RULES, made_at=NOW).html)
    section = text.partition("Precisão garantida das ligações")[2].partition("Conversas em dúvida")[0]
    rows = re.findall(r"(\w+) (≥ [\d,]+%|nada garantido ainda) (\d+) (\d+) (\d+)", section)
    return {method: tuple(row) for method, *row in rows}


def test_a_method_has_a_line_of_its_own_from_twenty_verdicts_on(filled: tuple[Connection, History]) -> None:
    conn, past = filled
    with conn.transaction(force_rollback=True):
        methods = dict(conn.execute("SELECT method, count(*) FROM rule_links GROUP BY 1").fetchall())
        method = max(methods, key=lambda name: methods[name])
        links = methods[method]
        assert links > 20
        assert any(count < 20 for count in methods.values())
        drawn = [
            chat
            for (chat,) in conn.execute(
                "SELECT id_chat_file FROM rule_links WHERE method = %s ORDER BY draw", (method,)
            )
        ]
        for number, chat in enumerate(drawn, 1):
            said = "unsure" if number == 5 else "right"
            verdicts.record_verdict(conn, chat, said, note=None, reviewer="ana")
            if number == 19:
                assert _precision_lines(conn, past).keys() == {"todos"}
            elif number == 20:
                found = _precision_lines(conn, past)
                assert found.keys() == {"todos", method}
                assert found[method][1:] == ("20", "1", str(links))
        # Where every link of a method was looked at, nothing is left to guess: the share is the truth.
        share = math.floor(1000 * (links - 1) / links) / 10
        found = _precision_lines(conn, past)
        assert found[method] == (f"≥ {share}%".replace(".", ","), str(links), "1", str(links))


def test_an_empty_database_makes_a_page_too(fresh_database_url: str, tmp_path: Path) -> None:
    with connect(fresh_database_url) as conn:
        report = make(conn, [], History(), RULES, made_at=NOW)
    _parse(report.html)
    path = Path(write_report(LocalFolder(tmp_path / "new"), "qa.html", report.html))
    assert path == tmp_path / "new" / "qa.html"
    assert path.read_text(encoding="utf-8") == report.html
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_the_asset_writes_the_page(
    prepared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORT_DIR", str(tmp_path))
    defs = build_defs({"database": Database(url=prepared_url)})
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("reports").execute_in_process(instance=instance)
    assert result.success
    assert {e.check_name for e in result.get_asset_check_evaluations()} == {"no_failed_month_is_forgotten"}
    assert "Amostra para revisão" in (tmp_path / "qa-all.html").read_text(encoding="utf-8")


def test_a_month_s_page_shows_its_own_failing_rows(
    filled: tuple[Connection, History], prepared: Prepared
) -> None:
    conn, past = filled
    check = next(check for check in QA_CHECKS if check.name == "every_chat_is_loaded")
    with conn.transaction(force_rollback=True):
        chat = verdicts.review_sample(conn, "2025-01")[0].id_chat_file
        conn.execute("UPDATE chat_files SET processing_status = 'pending' WHERE id = %s", (chat,))
        scope = CheckScope(conn, list(MONTHS), Archive(root=str(prepared.archive)))
        evaluate_check(check, scope, run_id=None, every_month=True)
        own, other = (make(conn, [month], past, RULES, made_at=NOW).html for month in MONTHS[:2])
        accepted = clock.today() + timedelta(days=9)
        qa_results.accept_failing(
            conn, check.name, "2025-01", failing=1, reason="perdido <b>", until=accepted, made_by="ana"
        )
        later = make(conn, ["2025-01"], past, RULES, made_at=NOW).html
    assert f"<h3>{check.name}</h3>" in own
    assert f'<a href="#chat-{chat}">{chat}</a>' in own
    assert f'id="chat-{chat}"' in own
    assert f"<h3>{check.name}</h3>" not in other
    assert f"aceito até {accepted:%d/%m/%Y}: perdido &lt;b&gt;" in later


def test_only_what_passed_is_green(filled: tuple[Connection, History], prepared: Prepared) -> None:
    conn, _ = filled
    rules = [
        check.declared for check in QA_CHECKS if check.name in {"every_chat_is_loaded", "chats_are_linked"}
    ]
    runs = [
        RunLine(NOW, "summaries", "", status, 1.0) for status in ("SUCCESS", "FAILURE", "STARTED", "CANCELED")
    ]

    def words(months: list[str]) -> list[tuple[str, str]]:
        html = make(conn, months, History(runs=runs), rules, made_at=NOW).html
        return re.findall(r'<span class="(good|bad|undecided)">([^<]*)</span>', html)

    with conn.transaction(force_rollback=True):
        conn.execute("TRUNCATE qa_results, qa_acceptances")
        of_runs = [
            ("good", "concluída"),
            ("bad", "falhou"),
            ("undecided", "em andamento"),
            ("undecided", "cancelada"),
        ]
        assert words(["2025-01"]) == [("undecided", "nunca avaliada")] * 2 + of_runs
        scope = CheckScope(conn, [*MONTHS, "2025-05"], Archive(root=str(prepared.archive)))
        for check in QA_CHECKS:
            if check.name in {rule.name for rule in rules}:
                evaluate_check(check, scope, run_id=None, every_month=True)
        assert words(["2025-05"]) == [("undecided", "nada a examinar")] * 2 + of_runs
        assert ("good", "passou") in words(["2025-01"])
        conn.execute("UPDATE qa_results SET failing = 1 WHERE check_name = 'every_chat_is_loaded'")
        assert words(["2025-01"])[0] == ("bad", "erro")
        until = clock.today() + timedelta(days=9)
        qa_results.accept_failing(conn, "every_chat_is_loaded", "2025-01", failing=1, reason="x", until=until)
        assert ("undecided", "aceito") in words(["2025-01"])


def test_what_to_improve_is_counted_and_ordered(filled: tuple[Connection, History]) -> None:
    conn, past = filled
    with conn.transaction(force_rollback=True):
        contact, chats = conn.execute(
            "SELECT id_contato, count(*) FROM chat_files WHERE month = '2025-01' AND NOT is_group"
            " AND match_status = 'linked' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
        ).fetchone() or (0, 0)
        before = {item.kind: item for item in improvements(conn, ["2025-01"])}
        conn.execute("DELETE FROM contact_phones WHERE id_contato = %s", (contact,))
        after = {item.kind: item for item in improvements(conn, ["2025-01"])}
        html = make(conn, ["2025-01"], past, RULES, made_at=NOW).html
    was = before["contacts_without_phone"].chats if "contacts_without_phone" in before else 0
    assert after["contacts_without_phone"].chats >= was + chats
    values = [item.chats for item in after.values()]
    assert values == sorted(values, reverse=True)
    found = after["contacts_without_phone"]
    assert f"<li>{found.chats} conversas dependem de {found.things} contatos sem telefone" in html
