"""Every small change that is made to a statement, in a file or in the source of a Python string.

What belongs here: the words of SQL and what each becomes. What does not: a parser of SQL. A change that the
server refuses as a syntax error is not counted; the trials draw another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

SqlKind = Literal["constant", "comparison", "clause", "logic"]
Change = tuple[SqlKind, int, int, str]

_TOKEN = re.compile(
    r"""(?P<skip>--[^\n]*|\s+|%s|\{[^}]*\}|::\w+(\[\])?|["\\])
      | (?P<parameter>%\(\w+\)s)
      | (?P<text>'(?:[^'\n]|'')*')
      | (?P<number>(?<![\w.$])\d+(?:\.\d+)?(?![\w.]))
      | (?P<word>[A-Za-z_]\w*(?:\.\w+)?)
      | (?P<sign><>|<=|>=|!=|\|\||->>|->|@>|=>|[-+*/=<>(),.;\[\]:~!%])
      | (?P<other>.)""",
    re.VERBOSE,
)
_SIGNS = {"=": "<>", "<>": "=", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_WORDS = {
    ("NOT", "EXISTS"): "EXISTS",
    ("EXISTS",): "NOT EXISTS",
    ("IS", "NOT", "NULL"): "IS NULL",
    ("IS", "NULL"): "IS NOT NULL",
    ("IS", "NOT", "DISTINCT"): "IS DISTINCT",
    ("IS", "DISTINCT"): "IS NOT DISTINCT",
    ("NOT", "IN"): "IN",
    ("IN",): "NOT IN",
    ("LEFT", "JOIN"): "JOIN",
    ("DESC",): "ASC",
    ("UNION", "ALL"): "UNION",
    ("AND", "NOT"): "AND",
    ("WHERE", "NOT"): "WHERE",
    ("OR",): "AND",
    ("AND",): "OR",
}
_FUNCTIONS = {
    "min": "max",
    "max": "min",
    "least": "greatest",
    "greatest": "least",
    "bool_or": "bool_and",
    "bool_and": "bool_or",
}
_CLAUSE_ENDS = {
    "AND",
    "OR",
    "GROUP",
    "ORDER",
    "LIMIT",
    "UNION",
    "RETURNING",
    "WHERE",
    "ON",
    "JOIN",
    "LEFT",
    "CROSS",
    "HAVING",
    "FOR",
    "WHEN",
    "THEN",
    "ELSE",
    "DO",
    "WINDOW",
    "EXCEPT",
    "FROM",
    "SET",
}


class _Word:
    """One word or sign of a statement, with the depth of parentheses and CASE … END it is at."""

    __slots__ = ("depth", "end", "kind", "start", "text")

    def __init__(self, kind: str, text: str, start: int, end: int, depth: int) -> None:
        self.kind, self.text, self.start, self.end, self.depth = kind, text, start, end, depth


def _words(text: str) -> list[_Word]:
    words, depth = [], 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "skip" or match["skip"] is not None:
            continue
        upper = match[0].upper()
        if upper in {")", "END"}:
            depth -= 1
        words.append(_Word(kind, match[0], match.start(), match.end(), depth))
        if upper in {"(", "CASE"}:
            depth += 1
    return words


def sql_mutants(text: str) -> Iterator[Change]:
    """Yield every change to a statement: its kind, the characters it replaces and what becomes of them."""
    words = _words(text)
    setting: int | None = None  # the depth of a SET, whose `=` compares nothing
    between = False
    for i, word in enumerate(words):
        upper = word.text.upper() if word.kind == "word" else word.text
        if upper == "SET":
            setting = word.depth
        elif setting is not None and (word.depth < setting or upper in {"WHERE", "FROM", "RETURNING"}):
            setting = None
        if upper == "BETWEEN":
            between = True
        if word.kind == "sign" and word.text in _SIGNS and not (word.text == "=" and setting == word.depth):
            yield "comparison", word.start, word.end, _SIGNS[word.text]
        elif word.kind == "number":
            yield from _numbers(word)
        elif word.kind == "text" and len(word.text) > 2:
            yield "constant", word.start, word.end, f"{word.text[:-1]}~'"
        elif word.kind == "word":
            if upper == "AND" and between:
                between = False
                continue
            yield from _phrases(words, i)
            yield from _dropped(words, i)


def _numbers(word: _Word) -> Iterator[Change]:
    if "." in word.text:
        yield "constant", word.start, word.end, str(float(word.text) * 1.25)
    else:
        yield "constant", word.start, word.end, str(int(word.text) + 1)


def _phrases(words: list[_Word], i: int) -> Iterator[Change]:
    """Yield what becomes of the words at a place: the longest phrase that is known."""
    before = words[i - 1].text.upper() if i else ""
    if words[i].text.lower() in _FUNCTIONS and i + 1 < len(words) and words[i + 1].text == "(":
        yield "clause", words[i].start, words[i].end, _FUNCTIONS[words[i].text.lower()]
    if before == "NOT":  # part of a phrase that was changed already
        return
    for length in (3, 2, 1):
        phrase = tuple(word.text.upper() for word in words[i : i + length])
        if phrase in _WORDS and len(phrase) == length:
            kind: SqlKind = "logic" if phrase in {("AND",), ("OR",)} else "clause"
            yield kind, words[i].start, words[i + length - 1].end, _WORDS[phrase]
            return


def _dropped(words: list[_Word], i: int) -> Iterator[Change]:
    """Yield a statement without one of its clauses."""
    word, upper = words[i], words[i].text.upper()
    following = words[i + 1].text.upper() if i + 1 < len(words) else ""
    before = words[i - 1].text.upper() if i else ""
    is_condition = upper in {"WHERE", "AND"} or (upper == "ON" and before not in {"DISTINCT", "COMMIT"})
    if is_condition and following not in {"CONFLICT", "TRUE", ""}:
        end = _end(words, i)
        if end > word.end:
            yield "clause", word.end, end, " true"
    elif upper == "DISTINCT" and following not in {"FROM", "ON"}:
        yield "clause", word.start, word.end, ""
    elif upper == "LIMIT" or (upper == "ORDER" and following == "BY"):
        yield "clause", word.start, _end(words, i), ""
    elif upper == "FILTER" and following == "(":
        closing = next((w for w in words[i + 2 :] if w.text == ")" and w.depth == words[i + 1].depth), None)
        if closing:
            yield "clause", word.start, closing.end, ""


def _end(words: list[_Word], i: int) -> int:
    """Return where the clause that begins at a word ends."""
    depth, end, between = words[i].depth, words[i].end, False
    for before, word in pairwise(words[i:]):
        upper = word.text.upper()
        if word.depth < depth or word.text == ";":
            break
        if upper == "BETWEEN":
            between = True
        elif word.depth == depth and word.kind == "word" and upper in _CLAUSE_ENDS:
            is_distinct_from = upper == "FROM" and before.text.upper() == "DISTINCT"
            if not (is_distinct_from or (upper == "AND" and between)):
                break
            between = between and is_distinct_from
        end = word.end
    return end
