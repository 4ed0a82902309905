"""The shape of the package: SQL has one home, and nothing is kept alive by its tests alone."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline_tests.source_scan import (
    PACKAGE,
    Finding,
    html_texts,
    long_statements,
    other_text,
    package,
    parse,
    repeated_names,
    sql_statements,
    unused_names,
)

SQL_HOME = "store"
HTML_HOMES = {"templates", "sandbox"}  # the sandbox's servers answer with pages of their own
# A longer statement is a file of its own, where it has room for comments and an editor knows its language.
MOST_LINES = 12


def _scan(source: str, module: str = "steps/links/planted.py") -> list[str]:
    return [finding.what for finding in sql_statements(parse({PACKAGE / module: source}))]


@cache
def _unused() -> list[Finding]:
    return list(unused_names(package(), other_text()))


def test_sql_is_in_the_store_alone() -> None:
    found = [
        f"{module}:{line}: {what}"
        for module, line, what in sql_statements(package())
        if module.split("/")[0] != SQL_HOME
    ]
    assert not found, "move these to store/<subject>/ or sql/queries/<subject>/:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "SELECT pg_advisory_unlock_all()",
        "\n  -- why\n  SELECT a FROM b",
        "INSERT INTO a VALUES (1)",
        "UPDATE a SET b = 1",
        "DELETE FROM a",
        "WITH a AS (SELECT 1) SELECT 2",
        "SET statement_timeout = '1s'",
        "SET LOCAL work_mem TO '1MB'",
        "ANALYZE a",
        "CREATE TEMP TABLE a (b int)",
        "CREATE DATABASE {}",
        "DROP TABLE IF EXISTS a",
        "COPY a FROM STDIN",
        "TRUNCATE a",
        "LOCK TABLE a",
        "ALTER TABLE a ADD b int",
        "GRANT SELECT ON a TO b",
        "NOTIFY a",
        "REFRESH MATERIALIZED VIEW a",
        "VALUES (1)",
        "SHOW server_version",
        "select id from contatos",
        "select now()",
        "insert into a values (1)",
        "update contatos set nome = ''",
        "delete from contatos",
        "create table a (b int)",
        "(SELECT 1)",
        "((select a from b))",
        "/* why */ SELECT 1",
        "WITH a AS(SELECT 1) SELECT 2",
        "with a (b) as materialized (select 1) select 2",
        'WITH RECURSIVE "a" AS NOT MATERIALIZED (SELECT 1) SELECT 2',
        "values (1), (2)",
        "VALUES (%s, %s)",
        "copy a (b) from stdin",
        "COPY (SELECT 1) TO STDOUT",
        "id = %s FROM contatos WHERE nome IS NOT NULL",
        "AND month = %s ORDER BY month",
    ],
)
def test_a_statement_outside_the_store_is_found(statement: str) -> None:
    assert _scan(f"STATEMENT = {statement!r}") == [" ".join(statement.split())]
    assert _scan(f"def f(name):\n    return f{statement.replace('{}', '{name}') + ' {name}'!r}")


@pytest.mark.parametrize(
    "expression",
    [
        "f'{begin} SELECT a FROM b'",
        "f'{begin}{more}\\nINSERT INTO a VALUES (1)'",
        "f'SELECT {columns} FROM b'",
        "f'VALUES {rows}'",
        "f'with {name} as (select 1) select 2'",
        "'SEL' + 'ECT 1'",
        "'select ' + columns + ' from b'",
        "prefix + 'DELETE FROM a'",
        "b'SELECT 1'",
    ],
)
def test_a_statement_that_is_put_together_is_found(expression: str) -> None:
    assert len(_scan(f"def f():\n    return {expression}")) == 1


@pytest.mark.parametrize("method", ["execute", "executemany", "copy", "stream"])
def test_running_a_statement_from_elsewhere_is_found(method: str) -> None:
    source = f"def f(conn):\n    conn.cursor().{method}(queries.load('links/x'))"
    assert _scan(source) == [f".{method}"]


def test_long_statements_are_files() -> None:
    found = [f"{module}:{line}: {what}" for module, line, what in long_statements(package(), MOST_LINES)]
    assert not found, "move these to sql/queries/<subject>/:\n" + "\n".join(found)


def test_the_limit_is_the_one_in_the_guide() -> None:
    guide = (PROJECT_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"more than {MOST_LINES} lines" in guide


@pytest.mark.parametrize("prefix", ["", "f"])
def test_a_statement_of_too_many_lines_is_found(prefix: str) -> None:
    def found(lines: int) -> int:
        text = "\n".join(["SELECT a", *["     , b"] * (lines - 2), "  FROM {c}"])
        source = f'X = {prefix}"""\n{text}\n"""'
        return len(list(long_statements(parse({PACKAGE / "store/planted.py": source}), MOST_LINES)))

    assert (found(MOST_LINES), found(MOST_LINES + 1)) == (0, 1)


def test_copies_of_other_things_are_no_statements() -> None:
    assert _scan("def f(a, request):\n    shutil.copy(a, a)\n    a.copy()\n    request.stream()") == []


def test_words_and_docstrings_are_no_statements() -> None:
    words = (
        "Select a month",
        "With a smile",
        "Update the index",
        "set it = later",
        "Begin here",
        "DOWN",
        "SET",
        "select a file",
        "values that differ",
        "with a name as the file has it",
        "Delete the folder",
        "Create a table of contents",
        "copy the file to the archive",
        "where are you from",
        "drop a file here",
        "Set local time",
    )
    assert _scan("\n".join(f"X{n} = {text!r}" for n, text in enumerate(words))) == []
    assert _scan('def f():\n    """SELECT is explained here."""') == []


def test_html_is_in_the_templates_alone() -> None:
    found = [
        f"{module}:{line}: {what}"
        for module, line, what in html_texts(package())
        if module.split("/")[0] not in HTML_HOMES
    ]
    assert not found, "move these to templates/:\n" + "\n".join(found)


def test_html_elsewhere_is_found_and_other_angles_are_not() -> None:
    def found(source: str) -> int:
        return len(list(html_texts(parse({PACKAGE / "cli/planted.py": source}))))

    assert found("X = f'<li class=\"{a}\">{b}</li>'") == found("X = '<td>'") == found("X = 'a<br/>'") == 1
    assert found("X = 'a < b', '<Media omitted>', '<text x=1>'") == found("def f():\n    '<p>'") == 0


def test_every_public_name_is_used_by_the_package() -> None:
    found = [f"{module}:{line}: {name}" for module, line, name in _unused()]
    assert not found, "use these or delete them, with their tests:\n" + "\n".join(found)


def test_a_name_that_only_itself_or_nobody_uses_is_found() -> None:
    source = """
LIMIT = 3
USED = 4

def forgotten(n: int = USED) -> int:
    return forgotten(n - 1)

class Kept:
    field: int
    unread: int = 0

    def method(self) -> int:
        return self.field

    @property
    def shown(self) -> int:
        return 1

@registered
def command() -> None:
    print(Kept())
"""
    found = [name for _, _, name in unused_names(parse({Path("planted.py"): source}))]
    assert found == ["LIMIT", "forgotten", "Kept.unread", "Kept.method", "Kept.shown"]
    used = "from planted import forgotten\nforgotten(LIMIT).shown"
    both = parse({Path("planted.py"): source, Path("user.py"): used})
    assert [name for _, _, name in unused_names(both, "class: method")] == ["Kept.unread"]


def test_an_import_alone_is_no_use() -> None:
    trees = parse({Path("a.py"): "def f() -> int:\n    return 1\n", Path("b.py"): "from a import f\n"})
    assert [name for _, _, name in unused_names(trees)] == ["f"]


def test_every_class_and_public_function_has_a_name_of_its_own() -> None:
    found = list(repeated_names(package()))
    assert not found, "rename all but one of each:\n" + "\n".join(found)


def test_a_name_in_two_modules_is_found() -> None:
    sources = {
        "a.py": "class _Reader:\n    pass\n\n\ndef find():\n    pass\n\n\ndef _own():\n    pass\n",
        "b.py": "class _Reader:\n    pass\n\n\nasync def find():\n    pass\n\n\ndef _own():\n    pass\n",
    }
    trees = parse({PACKAGE / name: text for name, text in sources.items()})
    assert list(repeated_names(trees)) == ["_Reader: a.py, b.py", "find: a.py, b.py"]


def test_the_formatter_leaves_no_line_out() -> None:
    left_out = re.compile(r"#\s*fmt:")
    folders = [PACKAGE, PROJECT_ROOT / "whatsapp_pipeline_tests", PROJECT_ROOT / "bench"]
    found = [
        f"{path.relative_to(PROJECT_ROOT)}:{number}"
        for folder in folders
        for path in folder.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if left_out.search(line)
    ]
    assert not found, "accept the formatter:\n" + "\n".join(found)


def test_tests_mirror_the_folders_of_the_package() -> None:
    tests = PROJECT_ROOT / "whatsapp_pipeline_tests"
    folders = {path.parent.relative_to(tests) for path in tests.rglob("*.py")} - {Path("truth")}
    assert {str(folder) for folder in folders if not (PACKAGE / folder).is_dir()} == set()


def test_every_layer_has_the_same_subjects() -> None:
    subjects = {"contacts", "chats", "links", "conversations", "summaries", "operations"}
    for layer in (PACKAGE / "steps", PACKAGE / "store", PROJECT_ROOT / "sql" / "queries"):
        folders = {path.name for path in layer.iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert folders == subjects, layer.name
    for layer in (PACKAGE / "assets", PACKAGE / "checks"):
        assert subjects <= {path.stem for path in layer.glob("*.py")}, layer.name
