"""Scans of the package's syntax trees: code that only tests use, and where SQL and HTML are.

What belongs here: finding. What does not: the rules and their few exceptions (test_structure.py).
"""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import whatsapp_pipeline
from whatsapp_pipeline.settings import PROJECT_ROOT

PACKAGE = Path(whatsapp_pipeline.__file__).parent
Trees: TypeAlias = Mapping[Path, ast.Module]
_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# Beginnings of statements in capitals, as all of this project writes them, also of those without FROM.
_CAPITALS = re.compile(
    r"""(
      SELECT\s | INSERT\s+INTO\s | UPDATE\s+\S+\s.*\bSET\b | DELETE\s+FROM\s | MERGE\s+INTO\s | TRUNCATE\s
    | TABLE\s+\w+\s*$ | CALL\s | DO\s+\$
    | SET\s+((LOCAL|SESSION)\s+)?[\w.]+\s*(=|TO\b|ISOLATION) | SHOW\s+\w | RESET\s+\w
    | (CREATE|ALTER|DROP)\s+(OR\s+REPLACE\s+)?(TEMP|TEMPORARY|UNLOGGED|UNIQUE|MATERIALIZED|TABLE|INDEX
      |DATABASE|SCHEMA|ROLE|USER|EXTENSION|FUNCTION|PROCEDURE|TRIGGER|VIEW|TYPE|SEQUENCE|SYSTEM|DEFAULT|POLICY)\b
    | COMMENT\s+ON\s | GRANT\s | REVOKE\s | ANALYZE\b | VACUUM\b | REINDEX\b | CLUSTER\b | REFRESH\s+MAT
    | COPY\s+[\w{("] | LOCK\s+(TABLE\s+)?\w | NOTIFY\s | LISTEN\s | UNLISTEN\s | EXPLAIN\s | DECLARE\s
    | FETCH\s+\w | BEGIN\b | COMMIT\b | ROLLBACK\b | SAVEPOINT\s | PREPARE\s | DISCARD\s )""",
    re.DOTALL | re.VERBOSE,
)
# Beginnings in letters of either case. They need a word more, so that a sentence is none.
_EITHER_CASE = re.compile(
    r"""(
      SELECT\s.*\sFROM\s | SELECT\s+[\w.]+\( | SELECT\s+(\d|NULL\b|') | INSERT\s+INTO\s | DELETE\s+FROM\s
    | UPDATE\s+\S+\s+(AS\s+)?(\w+\s+)?SET\s+["\w{(] | MERGE\s+INTO\s | TRUNCATE\s+TABLE\s
    | WITH\s+(RECURSIVE\s+)?["\w{}]+\s*(\([^)]*\)\s*)?AS\s*(NOT\s+)?(MATERIALIZED\s*)?\( | VALUES\s*[({%]
    | SET\s+((LOCAL|SESSION)\s+)?[\w.]+\s*(=|TO)\s*['\d%{] | LOCK\s+TABLE\s
    | COPY\s+(\S+|\(.*\))\s+(\([^)]*\)\s*)?(FROM|TO)\s
    | (CREATE|ALTER|DROP)\s+(OR\s+REPLACE\s+)?(TEMP|TEMPORARY|UNLOGGED|UNIQUE|MATERIALIZED|TABLE|INDEX
      |DATABASE|SCHEMA|ROLE|EXTENSION|FUNCTION|VIEW|SEQUENCE)\s )""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
# What may stand before a statement: blanks, brackets, comments, and what an f-string fills in.
_BEFORE = re.compile(r"(?:\s|\(|\{\}|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
# Pieces that a statement is put together from.
_PIECE = re.compile(
    r"""\bFROM\s+[\w{}.]+\s+(\w+\s+)?(WHERE|JOIN|LEFT|ORDER|GROUP)\b | \bWHERE\s+[\w.(]+\s*(=|<|>|IN\b|IS\b|~)
      | \b(ORDER|GROUP)\s+BY\s | \bLIMIT\s+[\d%] | \bON\s+CONFLICT\b | \bRETURNING\s | \bIS\s+NOT\s+NULL\b""",
    re.VERBOSE,
)
_HTML = re.compile(
    r"</?(html|head|body|div|p|span|a|table|t[rdh]|[uo]l|li|h[1-6]|b|i|strong|em|br|code|pre|script|style|form"
    r"|input|button|label|section|details|img)(\s[^<>]*)?/?>"
)
_RUNS_A_STATEMENT = {"execute", "executemany"}
_RUNS_ITS_ARGUMENT = {"copy", "stream"}  # also names of methods without arguments, of dictionaries and arrays
_COPIES_FILES = {"shutil", "copy"}
_FROM_A_CLASS = {"property", "cached_property", "staticmethod", "classmethod"}


class Finding(NamedTuple):
    """Where something was found: the module's path in the package, the line, and what it is."""

    module: str
    line: int
    what: str


@cache
def package() -> Trees:
    """Parse every module of the package."""
    return parse({path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")})


def parse(sources: Mapping[Path, str]) -> Trees:
    """Parse sources by path."""
    return {path: parse_text(text) for path, text in sorted(sources.items())}


def parse_text(source: str) -> ast.Module:
    """Parse one source while the garbage collector waits.

    Python 3.11 counts the depth of a tree in one place for the whole process. A finalizer that logs a
    traceback parses, too. If it runs while a tree is built, the first count is wrong: "AST constructor
    recursion depth mismatch".
    """
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()


def sql_statements(trees: Trees) -> Iterator[Finding]:
    """Yield each text that begins like a statement or is a piece of one, and each use of what runs one."""
    for path, tree in trees.items():
        module = _module(path)
        for line, text in _texts(tree):
            if _is_sql(text):
                yield Finding(module, line, " ".join(text.split())[:60])
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in _RUNS_A_STATEMENT:
                yield Finding(module, node.lineno, f".{node.attr}")
            elif isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute):
                of = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                if node.func.attr in _RUNS_ITS_ARGUMENT and of not in _COPIES_FILES:
                    yield Finding(module, node.lineno, f".{node.func.attr}")


def html_texts(trees: Trees) -> Iterator[Finding]:
    """Yield each text that has a tag of HTML."""
    for path, tree in trees.items():
        for line, text in _texts(tree):
            if tag := _HTML.search(text):
                yield Finding(_module(path), line, tag[0])


def long_statements(trees: Trees, most_lines: int) -> Iterator[Finding]:
    """Yield each statement of more lines than `most_lines`."""
    for path, tree in trees.items():
        for line, text in _texts(tree):
            lines = text.strip().splitlines()
            if len(lines) > most_lines and _is_sql(text):
                yield Finding(_module(path), line, f"{len(lines)} lines: {lines[0].strip()}")


def _is_sql(text: str) -> bool:
    before = _BEFORE.match(text)
    begins = text[before.end() :] if before else text
    return bool(_CAPITALS.match(begins) or _EITHER_CASE.match(begins) or _PIECE.search(text))


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every text of a module but its docstrings, with its line; `{}` is what an f-string fills in."""
    skipped = set(map(id, _docstrings(tree)))
    for node in ast.walk(tree):  # from outside to inside: a text that is part of another comes after it
        if id(node) in skipped:
            continue
        text = _text(node)
        if text is not None:
            skipped.update(map(id, ast.walk(node)))
            yield getattr(node, "lineno", 0), text


def _text(node: ast.AST) -> str | None:
    """Return the text that a literal, an f-string or a sum of these is."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bytes):
            return node.value.decode("latin-1")
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        if left is not None or right is not None:
            return ("{}" if left is None else left) + ("{}" if right is None else right)
    return None


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | _Definition) and node.body and isinstance(node.body[0], ast.Expr):
            yield node.body[0].value


def unused_names(trees: Trees, elsewhere: str = "") -> Iterator[Finding]:
    """Yield public functions, classes, constants, methods and fields that no module of `trees` uses.

    `elsewhere` is text of other kinds (configuration, templates): a word in it counts as a use. The scan
    reads names and not meaning: a name that is used anywhere counts, whatever it belongs to.
    """
    uses = _uses(trees)
    words = set(re.findall(r"\w+", elsewhere))
    for path, tree in trees.items():
        for name, node in _definitions(tree):
            own = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            used = any(where != path or line not in own for where, line in uses.get(name.split(".")[-1], ()))
            if not used and name.split(".")[-1] not in words:
                yield Finding(_module(path), node.lineno, name)


def repeated_names(trees: Trees) -> Iterator[str]:
    """Yield each class and public function that several modules define, with these modules.

    A search or a stack trace names a function without its module, so the name alone has to say which it is.
    """
    homes: dict[str, list[str]] = {}
    for path, tree in trees.items():
        for node in tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if isinstance(node, ast.ClassDef) or not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(_module(path))
    yield from (f"{name}: {', '.join(modules)}" for name, modules in homes.items() if len(modules) > 1)


def _uses(trees: Trees) -> dict[str, set[tuple[Path, int]]]:
    """Return where each name is read: as a name, an attribute, or a text that is an identifier."""
    uses: dict[str, set[tuple[Path, int]]] = {}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                name = node.id if isinstance(node, ast.Name) else node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                name = node.value
            elif isinstance(node, ast.alias) and node.asname not in (None, node.name):
                name = node.name  # the module goes on with the new name
            else:
                continue
            uses.setdefault(name, set()).add((path, node.lineno))
    return uses


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for node in tree.body:
        for name in _names(node):
            yield name, node
        if isinstance(node, ast.ClassDef):
            for member in _members(node):
                for name in _names(member):
                    yield f"{node.name}.{name}", member


def _members(node: ast.ClassDef) -> list[ast.stmt]:
    """Return the members of a class whose use can be seen.

    Methods of a derived class may be called by what it derives from. Fields of a class whose instances are
    taken apart as a whole (`asdict`, tuples, Dagster's configuration) are read without their names.
    """
    if node.bases:
        return []
    whole = any(isinstance(n, ast.Name) and n.id in {"asdict", "astuple", "fields"} for n in ast.walk(node))
    return [m for m in node.body if not (whole and isinstance(m, ast.AnnAssign))]


def _names(node: ast.stmt) -> Iterator[str]:
    """Yield the public names that a statement defines; a decorator may register its function elsewhere."""
    found: list[str] = []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if all(isinstance(d, ast.Name) and d.id in _FROM_A_CLASS for d in node.decorator_list):
            found.append(node.name)
    elif isinstance(node, ast.ClassDef):
        found.append(node.name)
    elif isinstance(node, ast.Assign):
        found += [target.id for target in node.targets if isinstance(target, ast.Name)]
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        found.append(node.target.id)
    yield from (name for name in found if not name.startswith("_"))


def _module(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.as_posix()


def other_text() -> str:
    """Return what names code without being Python: configuration, templates and the notebook."""
    files = ("pyproject.toml", "dagster.yaml", "docs/notebook.ipynb")
    deployed = (PROJECT_ROOT / "deploy" / "dagster").glob("*.yaml")
    paths = [*(PROJECT_ROOT / name for name in files), *deployed, *PACKAGE.rglob("*.html")]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)
