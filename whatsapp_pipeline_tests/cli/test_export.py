"""`export`, as people type it: what Excel opens, what a notebook reads, and whose names are shown."""

from __future__ import annotations

import csv
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import LiteralString
from xml.etree import ElementTree

import polars as pl
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.cli.export import FORMATS, KINDS
from whatsapp_pipeline.domain.masking import mask_name
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.operations import export as steps
from whatsapp_pipeline.store import grants
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import CHECKSUMS_TABLE, MIGRATIONS_TABLE
from whatsapp_pipeline.store.operations.exports import EXPORTS
from whatsapp_pipeline_tests.cli.terminal import read_terminal


@pytest.fixture
def url(prepared_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module's filled database, as the settings name it."""
    monkeypatch.setenv("DATABASE_URL", prepared_url)
    return prepared_url


def run(*arguments: str | Path) -> Result:
    """Run the command and expect it to end well."""
    result = CliRunner().invoke(cli, ["export", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a file as Excel in Brazil does."""
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def sheets(path: Path) -> list[list[list[str]]]:
    """Read the cells of each sheet of a workbook, as text."""
    name = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        inner = sorted(part for part in book.namelist() if part.startswith("xl/worksheets/sheet"))
        trees = [ElementTree.fromstring(book.read(part)) for part in inner]  # our own file
    return [
        [["".join(cell.itertext()) for cell in row.iter(f"{name}c")] for row in tree.iter(f"{name}row")]
        for tree in trees
    ]


def test_the_command_offers_what_there_is() -> None:
    assert set(KINDS) == set(EXPORTS)
    assert FORMATS == steps.FORMATS


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_every_format_holds_every_row(
    url: str, tmp_path: Path, kind: str, file_format: str
) -> None:
    said = run(kind, "--format", file_format, "--out", tmp_path / "new" / "folder").output
    path = tmp_path / "new" / "folder" / f"{kind}.{file_format}"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]
    if file_format == "csv":
        rows = len(read_csv(path))
    elif file_format == "xlsx":
        (sheet,) = sheets(path)
        rows = len(sheet) - 1
    else:
        rows = pl.read_parquet(path).height
    counts = {
        "messages": "SELECT count(*) FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file "
        "WHERE m.duplicate_of IS NULL AND f.duplicate_of IS NULL",
        "customers": "SELECT count(*) FROM customer_chat_summaries",
        "orders": "SELECT count(*) FROM ordens_servico",
        "links": "SELECT count(*) FROM chat_files",
        "unmatched": "SELECT count(*) FROM chat_files "
        "WHERE match_status IN ('unmatched', 'ambiguous', 'proposed')",
        "unlinked-sessions": "SELECT count(*) FROM chat_sessions s JOIN chat_files f "
        "ON f.id = s.id_chat_file WHERE s.id_ordem_servico IS NULL AND f.duplicate_of IS NULL",
        "qa": "SELECT count(*) FROM qa_results",
    }
    with connect(url) as conn:
        expected = conn.execute(counts[kind].encode()).fetchone()
    assert expected is not None
    assert rows == expected[0] > 0
    assert f"{rows:,} rows → {path}" in said


def test_a_month_holds_the_messages_of_its_days(url: str, tmp_path: Path) -> None:
    run("messages", "--month", "2025-02", "--out", tmp_path)
    months = {row["at"][:7] for row in read_csv(tmp_path / "messages-2025-02.csv")}
    assert months == {"2025-02"}
    run("messages", "--month", "2025-01..2025-02", "--out", tmp_path)
    days = {row["at"][:7] for row in read_csv(tmp_path / "messages-2025-01_2025-02.csv")}
    assert days == {"2025-01", "2025-02"}


def test_messages_stand_in_the_one_order(url: str, tmp_path: Path) -> None:
    run("messages", "--out", tmp_path)
    shown = [int(row["message_id"]) for row in read_csv(tmp_path / "messages.csv")]
    with connect(url) as conn:
        stored = conn.execute("SELECT message_id FROM messages_all ORDER BY at, file, ordinal").fetchall()
    assert shown == [row[0] for row in stored]


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_what_people_wrote_is_no_formula(url: str, tmp_path: Path, file_format: str) -> None:
    formulas = ['=HYPERLINK("http://x")', "+1+1", "-1 dia", "@SUM(A1)", "\t=A1", "\n=A1", "\uff1dA1"]
    texts = [*formulas, 'a;"b"\nc', "+55 41"]
    with connect(url) as conn:
        for place, text in enumerate(texts):
            conn.execute(
                "UPDATE chat_messages SET message_text = %s WHERE id = (SELECT id FROM chat_messages "
                "WHERE type = 'text' AND duplicate_of IS NULL ORDER BY id OFFSET %s LIMIT 1)",
                (text, 3 + place),
            )
    run("messages", "--format", file_format, "--out", tmp_path)
    path = tmp_path / f"messages.{file_format}"
    found = (
        {row["text"] for row in read_csv(path)}
        if file_format == "csv"
        else {cell for sheet in sheets(path) for row in sheet for cell in row}
    )
    harmless = {f"'{text}" for text in formulas} | {'a;"b"\nc', "+55 41"}
    assert harmless <= found
    assert not set(formulas) & found


def test_a_sheet_that_is_full_is_followed_by_another(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "MAX_SHEET_ROWS", 20)
    run("orders", "--format", "xlsx", "--out", tmp_path)
    found = sheets(tmp_path / "orders.xlsx")
    assert len(found) > 2
    assert {len(sheet) for sheet in found[:-1]} == {21}
    assert all(sheet[0] == found[0][0] for sheet in found)
    numbers = [row[0] for sheet in found for row in sheet[1:]]
    assert len(numbers) == len(set(numbers))


def test_a_text_that_is_too_long_for_a_cell_is_cut_and_counted(url: str, tmp_path: Path) -> None:
    with connect(url) as conn:
        conn.execute(
            "UPDATE customer_chat_summaries SET summary = repeat('x', 40000) "
            "WHERE id = (SELECT min(id) FROM customer_chat_summaries)"
        )
    said = run("customers", "--format", "xlsx", "--out", tmp_path).output
    assert "1 texts were cut and end with …" in said


def test_decimal_comma_and_point(url: str, tmp_path: Path) -> None:
    run("links", "--out", tmp_path)
    points = [row["match_confidence"] for row in read_csv(tmp_path / "links.csv")]
    run("links", "--out", tmp_path, "--decimal-comma")
    commas = [row["match_confidence"] for row in read_csv(tmp_path / "links.csv")]
    assert [value.replace(",", ".") for value in commas] == points
    assert any("," in value for value in commas)


def test_names_are_masked_where_it_is_asked_for(url: str, tmp_path: Path) -> None:
    run("orders", "--out", tmp_path)
    names = [row["nome"] for row in read_csv(tmp_path / "orders.csv")]
    run("orders", "--out", tmp_path, "--masked")
    masked = [row["nome"] for row in read_csv(tmp_path / "orders.csv")]
    assert masked == [mask_name(name) for name in names]
    assert masked != names


@pytest.mark.parametrize(
    ("kind", "column", "statement"),
    [
        (
            "messages",
            "text",
            "UPDATE chat_messages SET message_text = %s WHERE id = (SELECT id FROM chat_messages "
            "WHERE type = 'text' AND duplicate_of IS NULL ORDER BY id OFFSET 2 LIMIT 1)",
        ),
        (
            "customers",
            "summary",
            "UPDATE customer_chat_summaries SET summary = %s "
            "WHERE id = (SELECT min(id) FROM customer_chat_summaries)",
        ),
        (
            "orders",
            "equipamento",
            "UPDATE ordens_servico SET equipamento = %s WHERE id = (SELECT min(id) FROM ordens_servico)",
        ),
    ],
)
def test_a_number_in_a_text_is_masked(
    url: str, tmp_path: Path, kind: str, column: str, statement: LiteralString
) -> None:
    typed = "notebook Dell Inspiron 15, ligar 41 97711-0937"  # of the invented archive
    with connect(url) as conn:
        conn.execute(statement, (typed,))
    run(kind, "--out", tmp_path, "--masked")
    rows = read_csv(tmp_path / f"{kind}.csv")
    assert len([row for row in rows if row[column].startswith("notebook Dell Inspiron 15, ligar [")]) == 1
    assert all("••••" in row["nome"] for row in rows if row["nome"])
    assert not [row for row in rows if "97711-0937" in row[column]]


def test_numbers_in_titles_and_paths_are_masked(url: str, tmp_path: Path) -> None:
    number = re.compile(r"\d{4,5}-\d{4}(?!\d)")
    run("unmatched", "--out", tmp_path)
    assert any(number.search(row["title"]) for row in read_csv(tmp_path / "unmatched.csv"))
    run("unmatched", "--out", tmp_path, "--masked")
    for row in read_csv(tmp_path / "unmatched.csv"):
        assert not number.search(row["title"])
        assert not number.search(row["file_path"])


@pytest.fixture
def reader(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The settings name a login that may read no message."""
    with connect(url) as conn:
        assert grants.apply(conn) == []
        conn.execute("DROP ROLE IF EXISTS export_reader")
        conn.execute("CREATE ROLE export_reader LOGIN PASSWORD 'x' IN ROLE whatsapp_reader")
    login = make_conninfo(url, user="export_reader", password="x")
    monkeypatch.setenv("DATABASE_URL", login)
    return login


@pytest.mark.parametrize("options", [(), ("--masked",)])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "messages"])
def test_a_reader_gets_every_row_masked(
    url: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: tuple[str]
) -> None:
    said = run(kind, "--out", tmp_path / "reader", *options).output
    shown = read_csv(tmp_path / "reader" / f"{kind}.csv")
    monkeypatch.setenv("DATABASE_URL", url)
    run(kind, "--out", tmp_path / "owner", "--masked")
    expected = read_csv(tmp_path / "owner" / f"{kind}.csv")
    assert shown
    empty = {"title", "file_path", "candidates"} if kind == "unmatched" else set()
    assert shown == [row | dict.fromkeys(empty, "") for row in expected]
    assert all("••••" in row["nome"] for row in shown if row.get("nome"))
    assert ("title, file_path, candidates are empty, because this database role" in said) == bool(empty)


def test_a_reader_is_refused_messages_and_told_the_rest(reader: str, tmp_path: Path) -> None:
    for options in ([], ["--masked"]):
        refused = CliRunner().invoke(cli, ["export", "messages", "--out", str(tmp_path / "out"), *options])
        assert isinstance(refused.exception, PipelineError)
        assert str(refused.exception) == (
            "the database role export_reader may not export messages; a login in whatsapp_analyst may "
            "(docs/security.md). This role may export customers, orders, links, unmatched, "
            "unlinked-sessions, qa"
        )
    assert not (tmp_path / "out").exists()


def test_a_role_that_reads_nothing_is_refused_everything(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(url) as conn:
        assert grants.apply(conn) == []
        conn.execute("DROP ROLE IF EXISTS export_nobody")
        conn.execute("CREATE ROLE export_nobody LOGIN PASSWORD 'x'")
        for table in (MIGRATIONS_TABLE, CHECKSUMS_TABLE):  # every reader asks whether the schema is current
            conn.execute(f"GRANT SELECT ON {table} TO export_nobody".encode())
    monkeypatch.setenv("DATABASE_URL", make_conninfo(url, user="export_nobody", password="x"))
    refused = CliRunner().invoke(cli, ["export", "qa", "--out", str(tmp_path / "out")])
    assert "may not export qa" in str(refused.exception)
    assert str(refused.exception).endswith("This role may export nothing")
    with connect(url) as conn:
        conn.execute("DROP OWNED BY export_nobody")
        conn.execute("DROP ROLE export_nobody")


# An export of many chunks, as a large database has them, with a report after each.
_EXPORT_IN_CHUNKS = """
from whatsapp_pipeline.cli import main
from whatsapp_pipeline.steps import progress
from whatsapp_pipeline.store import table_frames
table_frames.CHUNK_BYTES = 5_000
progress._SHOWN_EVERY_SECONDS = progress._EVERY_SECONDS = 0
main()
"""
_STATE = r"export messages: [\d,]+ of [\d,]+ rows, about \d+ s left \([\d,.]+/\w+\)"


def test_a_terminal_shows_rows_rate_and_time_left(url: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", _EXPORT_IN_CHUNKS, "export", "messages", "--out", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "COLUMNS": "80"}
    ) as export:
        os.close(theirs)
        shown = read_terminal(ours)
        assert export.stdout is not None
        assert f"rows → {tmp_path}" in export.stdout.read().decode()
    assert export.returncode == 0
    states = re.findall(rf"\r\x1b\[K{_STATE}", shown)
    assert len(states) > 3
    assert shown.endswith("\r\x1b[K"), "the line goes with the last row"


def test_elsewhere_plain_lines_show_rows_rate_and_time_left(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _EXPORT_IN_CHUNKS, "export", "messages", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) > 3
    assert all(re.search(rf"{_STATE}$", line) for line in lines)
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["messages", "--month", "2025-13"],
            "'2025-13' is no month; write it as 2025-01 (a range is",
        ),
        (["messages", "--month", "2025-03..2025-01"], "--month: 2025-03 is after 2025-01; name the first"),
        (["messages", "--month", "0000-01"], "'0000-01' is no month"),
        (["messages", "--month", "2025-01.."], "'' is no month"),
        (["messages", "--month", "..2025-01"], "'' is no month"),
        (["messages", "--month", "2025-01..9999-12"], "'9999-12' is no month"),
        (["messages", "--format", "parquet", "--decimal-comma"], "--decimal-comma goes with --format csv"),
    ],
)
def test_bad_options_are_named(url: str, tmp_path: Path, arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(cli, ["export", *arguments, "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert words in result.output
    assert os.listdir(tmp_path) == []


_KILLED_EXPORT = """
import os, signal, sys
from pathlib import Path
from typing import LiteralString
import polars as pl
from whatsapp_pipeline.steps.operations.export import write_export
kill = lambda rows: os.kill(os.getpid(), signal.SIGKILL)
write_export(Path(sys.argv[1]), [pl.DataFrame({"nome": ["Ana Teste"] * 5})] * 3, advance=kill)
"""


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_killed_export_leaves_nothing_once_it_runs_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    out = tmp_path / "out"
    out.mkdir()
    path = out / f"orders.{file_format}"
    killed = subprocess.run([sys.executable, "-c", _KILLED_EXPORT, path], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = out.iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o700  # nobody else reads what was half written
    assert list(temporary.iterdir()) == []
    run("orders", "--format", file_format, "--out", out)
    assert list(out.iterdir()) == [path]


def test_an_export_leaves_the_folder_of_one_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    frame = pl.DataFrame({"id": [1, 2]})

    def one_more(rows: int) -> None:
        steps.write_export(path, [frame])

    outcome = steps.write_export(path, [frame, frame], advance=one_more)
    assert outcome.rows == 4
    assert len(read_csv(path)) == 4
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_disk_that_refuses_is_named(url: str, tmp_path: Path, file_format: str) -> None:
    # A file that may not grow answers like a full disk, for root as well.
    command = [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", "export", "messages"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 1; exec "$@"', "-", *command, "--format", file_format, "--out", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    path = tmp_path / f"messages.{file_format}"
    assert done.returncode == 1, done.stderr
    (error,) = done.stderr.splitlines()
    assert error.startswith(f"error: cannot write {path}: File too large")
    assert list(tmp_path.iterdir()) == []
