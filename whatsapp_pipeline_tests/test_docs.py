"""Every command in the guides of operation is run, in the guide's own order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner

from whatsapp_pipeline import cli
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.steps.operations.backup import FIRST_WRITE, kept_backups
from whatsapp_pipeline.store import grants, migrate
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.pg_tools import find_programs
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.prepared import Prepared

DOCS = PROJECT_ROOT / "docs"
GUIDES = ("operate.md", "review.md", "recover.md", "security.md")
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(guide: str) -> list[str]:
    """The lines of a guide's sh blocks."""
    blocks = _BLOCK.findall((DOCS / guide).read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def environment(
    admin_url: str, migrated_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """Databases, an archive and what else the guides name by a variable."""
    suffix = uuid4().hex[:8]
    names = {"DATABASE_URL": f"docs_{suffix}", "DAGSTER_DATABASE_URL": f"docs_dagster_{suffix}"}
    data = PROJECT_ROOT / "data"
    made = {
        "DATABASE_URL": create_database(admin_url, names["DATABASE_URL"], migrated_template),
        "DAGSTER_DATABASE_URL": create_database(admin_url, names["DAGSTER_DATABASE_URL"], "template0"),
        "EMPTY_DATABASE_URL": create_database(admin_url, f"docs_empty_{suffix}", "template0"),
        "ARCHIVE": str(data / "organized_whatsapp_chats"),
        "CHAT_ARCHIVE": str(data / "organized_whatsapp_chats"),
        "PIPELINE_LOCAL_DIR": str(tmp_path / "local"),
        "PRIVATE": str(tmp_path),
    }
    for variable, value in made.items():
        monkeypatch.setenv(variable, value)
    yield made
    for name in (*names.values(), f"docs_empty_{suffix}"):
        drop_database(admin_url, name)
    with connect(admin_url) as conn:  # roles belong to the server, not to the database
        for role in grants.ROLES:
            conn.execute(f"DROP ROLE IF EXISTS {role}".encode())


def _run(line: str) -> None:
    words = [os.path.expandvars(word) for word in shlex.split(line)]
    assert not any("$" in word for word in words), f"a variable that the test does not set: {line}"
    if words[0] == "make":
        subprocess.run([*words, "-n"], cwd=PROJECT_ROOT, check=True, capture_output=True)
        return
    assert words[0] == "whatsapp-pipeline", line
    ended = 0
    try:
        cli.cli.main(words[1:], standalone_mode=False)
    except SystemExit as end:
        ended = int(end.code or 0)
    assert ended == 0, line


def test_the_guides_commands_work_in_order(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(environment["DATABASE_URL"]) as conn:
        conn.execute("INSERT INTO contatos (id, nome, celular) VALUES (7, 'Fulana de Tal', '41 99999-0001')")
    for guide in GUIDES:
        found = commands(guide)
        assert found, guide
        for line in found:
            with connect(environment["DATABASE_URL"]) as conn:
                row = conn.execute("SELECT min(id) FROM chat_files").fetchone()
            monkeypatch.setenv("CONTACT", "7")
            monkeypatch.setenv("CHAT", str(row[0] if row and row[0] else ""))
            _run(line)
    assert Path(environment["PRIVATE"], "customer.json").exists()
    with connect(environment["DATABASE_URL"]) as conn:  # the README's customer is of the demo's ERP
        conn.execute(
            "INSERT INTO contatos (id, nome, celular) VALUES (701000007, 'Regina Teste', '41 90000-0007')"
            " ON CONFLICT DO NOTHING"
        )
    readme = _BLOCK.findall((PROJECT_ROOT / "README.md").read_text(encoding="utf-8"))
    lines = [line.strip().removeprefix(".venv/bin/") for block in readme for line in block.splitlines()]
    assert sum(line.startswith("whatsapp-pipeline ") for line in lines) > 4
    for line in filter(None, lines):
        _run(line)
    # The database held a contact before anything was written to it.
    taken = kept_backups(Path(environment["PIPELINE_LOCAL_DIR"], "backups"))
    assert [backup.reason for backup in reversed(taken)] == [FIRST_WRITE, "by hand"]


def test_an_early_database_is_brought_over_as_the_guide_types_it(
    demo_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    """Its own tables come with their rows, whatever else an early version has left in the database."""
    (block,) = re.findall(
        r"^```bash\n(.*?)^```", (DOCS / "recover.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert block.count("\n") == 2
    with connect(demo_url) as conn:
        tools = find_programs(conn.info.server_version // 10000)
    programs = [str(Path(sys.executable).parent), str(tools.folder), os.environ["PATH"]]
    environment = {
        **os.environ,
        "OLD_DATABASE_URL": demo_url,
        "NEW_DATABASE_URL": empty_database_url,
        "PIPELINE_LOCAL_DIR": str(tmp_path),
        "PATH": os.pathsep.join(programs),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    own = "SELECT * FROM {} ORDER BY id"
    for table in ("contatos", "ordens_servico"):
        with connect(demo_url) as old, connect(empty_database_url) as new:
            rows = old.execute(own.format(table).encode()).fetchall()
            assert rows
            assert new.execute(own.format(table).encode()).fetchall() == rows
    assert migrate.pending_migrations(empty_database_url) == []


def test_the_commands_that_tables_and_sentences_name_exist() -> None:
    for guide in GUIDES:
        text = (DOCS / guide).read_text(encoding="utf-8")
        for name in re.findall(r"`whatsapp-pipeline ([a-z]+)", text):
            assert name in cli._COMMANDS, f"{guide}: {name}"
        for target in re.findall(r"`make ([a-z-]+)`", text):
            subprocess.run(["make", "-n", target], cwd=PROJECT_ROOT, check=True, capture_output=True)


def test_the_commands_of_the_readme_and_of_webhooks_are_well_formed() -> None:
    for text in (PROJECT_ROOT / "README.md", DOCS / "webhooks.md"):
        lines = re.findall(r"^(?:\.venv/bin/)?whatsapp-pipeline (.+)$", text.read_text("utf-8"), re.MULTILINE)
        assert lines, text
        for line in lines:
            _parse(cli.cli, [word for word in shlex.split(line, comments=True) if word != "&"])


def _parse(command: click.Command, words: list[str]) -> None:
    """Let click judge the options; nothing is run."""
    if isinstance(command, click.Group) and words:
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, words
        _parse(inner, words[1:])
    else:
        command.make_context(command.name, words)


def test_every_link_of_the_guides_leads_somewhere() -> None:
    for page in (PROJECT_ROOT / "README.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
            if target.startswith("http"):
                continue
            path, _, anchor = target.partition("#")
            found = page.parent / path if path else page
            assert found.exists(), f"{page.name}: {target}"
            if anchor:
                assert f'<a id="{anchor}">' in found.read_text("utf-8"), f"{page.name}: {target}"


def test_the_sql_of_the_guides_works(fresh_database_url: str) -> None:
    found = [
        statement
        for guide in GUIDES
        for block in re.findall(
            r"^```sql\n(.*?)^```", (DOCS / guide).read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        for statement in block.split(";\n")
        if statement.strip()
    ]
    assert any("search_messages" in statement for statement in found)
    assert any("override_link" in statement for statement in found)
    with connect(fresh_database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) VALUES (701000007, 'Fulana de Tal')")
        for statement in found:
            conn.execute(statement.encode())


def _named_commands() -> list[tuple[str, str]]:
    """Every command in backticks in the package's texts (checks, errors, help) and in the guides."""
    pages = [
        *(PROJECT_ROOT / "whatsapp_pipeline").rglob("*.py"),
        *DOCS.glob("*.md"),
        PROJECT_ROOT / "README.md",
    ]
    return [
        (page.name, " ".join(command.split()))
        for page in pages
        for command in re.findall(r"`whatsapp-pipeline ([^`]+)`", page.read_text("utf-8"))
    ]


# What a reader puts in the place of a word in capitals.
_FILLED = {
    "MONTH": "2025-01",
    "MÊS": "2025-01",
    "WHY": "porque sim",
    "MOTIVO": "porque sim",
    "FILE": "{file}",
    "TITLE": "Fulana do Teste",
    "PHONE": "+55 41 90000-7700",
    "NÚMERO": "+55 41 90000-7701",
    "URL": "{empty}",
    "CONVERSA": "{chat}",
    "NAME": "links_reviewed",
    "right|wrong|unsure": "right",
}
# What ID means depends on the command.
_IDS = {"override add": "{contact}", "override remove": "{override}", "webhook account": "815"}
# Authorising asks the ERP's own page, in a browser: tried with an invented ERP in erp/test_tokens.py.
# The others go on until they are stopped, or ask systemd (cli/test_serve.py, test_service.py, test_up.py).
_NOT_RUN = {"erp authorize", "serve", "service status", "up"}


def _fixed_by() -> list[str]:
    """Every whole command that a check's text, the QA report or the guide of recovery names, once."""
    pages = [
        *(PROJECT_ROOT / "whatsapp_pipeline" / "checks").glob("*.py"),
        PROJECT_ROOT / "whatsapp_pipeline" / "templates" / "qa_report.html",
        DOCS / "recover.md",
    ]
    # The tables name a command by its own words: `webhook status`.
    rows = re.findall(r"^\| .*", (DOCS / "recover.md").read_text("utf-8"), re.MULTILINE)
    short = [
        span
        for row in rows
        for span in re.findall(r"`([a-z][^`]+)`", row)
        if span.split()[0] in cli._COMMANDS and ":" not in span
    ]
    assert "webhook answers list" in short
    joined = (re.sub(r'"\s*\n\s*"', "", page.read_text("utf-8")) for page in pages)
    found = (" ".join(c.split()) for text in joined for c in re.findall(r"`whatsapp-pipeline ([^`]+)`", text))
    return sorted({*found, *short} - _NOT_RUN)


def _filled(command: str, values: dict[str, str]) -> list[str]:
    """Return a command's words with what a reader fills in."""
    by_word = {**_FILLED, "ID": next((v for name, v in _IDS.items() if command.startswith(name)), "")}
    if "--order" in command:
        by_word["ID"] = "{order}"
    return [by_word.get(word, word).format_map(values) for word in command.split()]


@pytest.fixture
def demo_url(admin_url: str, prepared: Prepared) -> Iterator[str]:
    """A database of the test's own that the chain has filled: other tests erase people from theirs."""
    name = f"docs_{uuid4().hex[:12]}"
    yield create_database(admin_url, name, prepared.template)
    drop_database(admin_url, name)


def test_what_mends_a_fault_works_as_it_is_typed(
    prepared: Prepared,
    demo_url: str,
    empty_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each command is run on demo data, in the order of the alphabet; backups are taken and restored."""
    monkeypatch.setenv("DATABASE_URL", demo_url)
    monkeypatch.setenv("CHAT_ARCHIVE", str(prepared.archive))
    monkeypatch.setenv("ERP", str(prepared.sample / "erp"))
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path / "local"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with connect(demo_url) as conn:
        conn.execute("SELECT override_link('title', 'ninguém', 'no_contact', NULL, 'um fornecedor')")
        row = conn.execute(
            """SELECT min(f.file_path), min(f.id), min(f.id_contato), min(o.id),
                      (SELECT min(id) FROM link_overrides)
               FROM chat_files f JOIN ordens_servico o USING (id_contato)
               WHERE f.id = (SELECT min(c.id) FROM chat_files c JOIN ordens_servico USING (id_contato))"""
        ).fetchone()
    assert row is not None
    names = ("file", "chat", "contact", "order", "override")
    values = {**dict(zip(names, map(str, row), strict=True)), "empty": empty_database_url}
    commands = _fixed_by()
    assert len(commands) > 15
    for command in commands:
        done = CliRunner().invoke(cli.cli, _filled(command, values), input="q\n")
        assert done.exit_code == 0, f"{command}: {done.output[-2000:]} {done.exception!r}"


def test_every_command_that_a_text_names_can_be_typed_as_it_stands_there() -> None:
    """The commands and the options exist; words in capitals, … and {…} stand for what the reader fills in."""
    named = _named_commands()
    assert len(named) > 40
    for page, text in named:
        command: click.Command = cli.cli
        # A string that goes on in the next line of code has quotes in the middle.
        for word in text.replace('" "', "").split():
            if word.startswith("--"):
                options = {name for parameter in command.params for name in parameter.opts}
                assert word.partition("=")[0] in options, f"{page}: {text}: {word}"
            elif isinstance(command, click.Group) and word.isalpha() and word.islower():
                inner = command.get_command(click.Context(command), word)
                assert inner is not None, f"{page}: {text}: {word}"
                command = inner
