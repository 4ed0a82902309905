"""Every small change that is made to a Python file.

What belongs here: finding places and their changes. What does not: statements in strings (sql_mutants.py).
Docstrings, annotations, log calls, texts of errors, decorators and `__all__` are left alone: no rule is in
them. (The linter refuses an `__all__` with a name that the module does not have.)
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.mutants.sql_mutants import sql_mutants

Kind = Literal["constant", "comparison", "clause", "logic"]
# Drawn first, for a third of the sample at least.
SMALL: frozenset[Kind] = frozenset({"constant", "comparison", "clause"})

_COMPARED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_COUNTED: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}
_SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|FROM|JOIN|ORDER BY)\b")
_LOGGED = {"info", "debug", "warning", "error", "exception", "say"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the characters from `start` to `end` of a file become `after`."""

    path: str
    line: int
    kind: Kind
    start: int
    end: int
    before: str
    after: str

    def apply(self, text: str) -> str:
        """Return the file's text with the change."""
        return text[: self.start] + self.after + text[self.end :]

    def __str__(self) -> str:
        """Return the change as one line."""
        before, after = (re.sub(r"\s+", " ", part).strip()[:60] for part in (self.before, self.after))
        return f"{self.path}:{self.line} {before!r} -> {after!r}"


def python_mutants(path: str, text: str) -> list[Mutant]:
    """Return every change to a Python file, in order of place."""
    finder = _Finder(path, text)
    finder.visit(ast.parse(text))
    return sorted(finder.found, key=lambda mutant: (mutant.start, mutant.after))


class _Finder(ast.NodeVisitor):
    """Collects the changes while it visits the tree."""

    def __init__(self, path: str, text: str) -> None:
        self.found: list[Mutant] = []
        self._path, self._text = path, text
        self._data = text.encode()
        self._line_starts = [0]
        for line in self._data.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))

    def _place(self, line: int, column: int) -> int:
        """Return the place of a line and a column in bytes, in characters."""
        return len(self._data[: self._line_starts[line - 1] + column].decode())

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        return (
            self._place(node.lineno, node.col_offset),
            self._place(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )

    def _add(self, kind: Kind, start: int, end: int, after: str) -> None:
        line = self._text.count("\n", 0, start) + 1
        self.found.append(Mutant(self._path, line, kind, start, end, self._text[start:end], after))

    def _replace(self, kind: Kind, node: ast.expr | ast.stmt, after: str) -> None:
        self._add(kind, *self._span(node), after)

    def _operator(self, kind: Kind, left: ast.expr, right: ast.expr, before: str, after: str) -> None:
        """Change the operator between two expressions."""
        start, end = self._span(left)[1], self._span(right)[0]
        pattern = r"\s+".join(re.escape(word) for word in before.split())
        found = re.search(rf"\b{pattern}\b" if before[0].isalpha() else pattern, self._text[start:end])
        if found:
            self._add(kind, start + found.start(), start + found.end(), after)

    def _visit_all(self, nodes: list[ast.expr] | list[ast.stmt]) -> None:
        for node in nodes:
            self.visit(node)

    def _visit_body(self, body: list[ast.stmt]) -> None:
        for statement in body:
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not is_text:  # a docstring
                self.visit(statement)

    def visit_Module(self, node: ast.Module) -> None:
        self._visit_body(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_body(node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_all([*node.args.defaults, *(value for value in node.args.kw_defaults if value)])
        self._visit_body(node.body)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value and "TypeAlias" not in ast.unparse(node.annotation):
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if "__all__" not in map(ast.unparse, node.targets):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        pass

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        pass

    def visit_Raise(self, node: ast.Raise) -> None:
        pass  # the text of an error; that it is raised depends on a condition, which is changed

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass  # its parts have no places before Python 3.12

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            return
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._replace("logic", condition, "True")
        self.generic_visit(node)

    def _negate(self, test: ast.expr) -> None:
        if not isinstance(test, (ast.Compare, ast.UnaryOp)):
            start, end = self._span(test)
            self._add("logic", start, end, f"(not ({self._text[start:end]}))")

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, operator, right in zip(
            [node.left, *node.comparators], node.ops, node.comparators, strict=False
        ):
            before, after = _COMPARED[type(operator)]
            self._operator("comparison", left, right, before, after)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        before, after = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._operator("logic", left, right, before, after)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        is_text = any(
            isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        if type(node.op) in _COUNTED and not is_text:
            self._operator("logic", node.left, node.right, *_COUNTED[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, (ast.Not, ast.USub)):
            start, end = self._span(node)
            self._add("logic", start, end, self._text[self._span(node.operand)[0] : end])
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Call) or not self._is_logged(node.value):
            if isinstance(node.value, ast.Call):
                self._replace("logic", node, "pass")
            self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._replace("logic", node, "pass")
        self.visit(node.value)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._replace("logic", node, "return None")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._replace("logic", node, "break")

    def visit_Break(self, node: ast.Break) -> None:
        self._replace("logic", node, "continue")

    @staticmethod
    def _is_logged(call: ast.Call) -> bool:
        return isinstance(call.func, ast.Attribute) and call.func.attr in _LOGGED

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if self._is_logged(node) or name in {"TypeVar", "cast", "getLogger"} or name.endswith("Error"):
            return
        if name in _SWAPPED:
            self._replace("logic", node.func, _SWAPPED[name])
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._replace("constant", node, str(not value))
        elif isinstance(value, int):
            self._replace("constant", node, str(value + 1))
            if value > 1:
                self._replace("constant", node, str(value - 1))
        elif isinstance(value, float):
            self._replace("constant", node, repr(value * 1.25 if value else 0.25))
        elif isinstance(value, str) and value:
            self._change_text(node, value)

    def _change_text(self, node: ast.Constant, value: str) -> None:
        start, end = self._span(node)
        if _STATEMENT.search(value):
            for kind, first, last, after in sql_mutants(self._text[start:end]):
                self._add(kind, start + first, start + last, after)
        else:
            # Inside the quotes, so that raw strings and bytes stay what they are.
            quote = end - 3 if self._text[start:end].endswith(('"""', "'''")) else end - 1
            self._add("constant", start, end, f"{self._text[start:quote]}~{self._text[quote:end]}")


def compiles(text: str) -> bool:
    """Return whether a changed file is still Python."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def all_mutants(path: str, text: str) -> Iterator[Mutant]:
    """Yield every change to a file, Python or SQL, that leaves it readable."""
    if path.endswith(".sql"):
        for kind, start, end, after in sql_mutants(text):
            yield Mutant(path, text.count("\n", 0, start) + 1, kind, start, end, text[start:end], after)
    else:
        yield from (mutant for mutant in python_mutants(path, text) if compiles(mutant.apply(text)))
