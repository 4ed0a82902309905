"""The match report as plain data: links by method and confidence, waiting chats, and changes.

What belongs here: numbers and short lists for checks and people, with masked titles. What does not: showing
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from whatsapp_pipeline.domain.masking import mask_title
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.links import models


@dataclass(frozen=True, slots=True)
class MethodBand:
    """The number of chats with one status, method and band of confidence (`0.95-0.99`, or "" without one)."""

    status: str
    method: str
    band: str
    chats: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A chat that is ambiguous, proposed or unmatched.

    The title is masked, and the candidates' `names` are empty, unless names are requested.
    """

    id_chat_file: int
    title: str
    status: str
    confidence: float | None
    candidates: tuple[int, ...]
    flags: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """The number of contacts and orders, and of those with a linked chat or session, over all months."""

    contacts: int
    contacts_with_phone: int
    contacts_with_chat: int
    orders: int
    orders_with_session: int


@dataclass(frozen=True, slots=True)
class MatchReport:
    """A month's links. `reliability` are the calibration bands of the name model.

    `changes` has the number of chats by "old status → new status", for the last run or decision that changed
    a link of the month.
    """

    month: str
    methods: tuple[MethodBand, ...]
    waiting: tuple[Waiting, ...]
    coverage: Coverage
    reliability: tuple[Mapping[str, float], ...]
    changes: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain lists and dicts."""
        return asdict(self)


def match_report(conn: Connection, month: str, *, waiting: int = 50, show_names: bool = False) -> MatchReport:
    """Return the report on a month, with up to `waiting` waiting chats, the most likely link first."""
    methods = tuple(MethodBand(*row) for row in conn.execute(queries.load("links/report_methods"), (month,)))
    rows = conn.execute(queries.load("links/report_waiting"), {"month": month, "limit": waiting})
    lists = tuple(
        Waiting(
            id_,
            title if show_names else mask_title(title),
            status,
            confidence,
            tuple(candidates),
            tuple(flags),
            tuple(names) if show_names else (),
        )
        for id_, title, status, confidence, candidates, flags, names in rows
    )
    model = models.newest(conn, "names")
    return MatchReport(
        month, methods, lists, coverage(conn), tuple(model.reliability) if model else (), changes(conn, month)
    )


def coverage(conn: Connection) -> Coverage:
    """Return the numbers of contacts and orders, in total and with a linked chat or session."""
    row = one_row(conn.execute(queries.load("links/report_coverage")))
    return Coverage(*row)


def statuses(conn: Connection, month: str) -> dict[int, str]:
    """Return the link of each of the month's chats, as the text `status contact`, by chat id."""
    rows = conn.execute(
        """SELECT id, match_status || coalesce(' ' || id_contato, '') FROM chat_files
           WHERE month = %s AND processing_status <> 'vanished'""",
        (month,),
    )
    return dict(rows.fetchall())


def statuses_of(conn: Connection, chats: Sequence[int]) -> dict[int, str]:
    """Return the same as `statuses`, for these chats."""
    rows = conn.execute(
        "SELECT id, match_status || coalesce(' ' || id_contato, '') FROM chat_files WHERE id = ANY(%s)",
        (list(chats),),
    )
    return dict(rows.fetchall())


def record_decision_run(
    conn: Connection, month: str, before: Mapping[int, str], after: Mapping[int, str]
) -> None:
    """Store the changes that a person's decision made to some of the month's chats (see `record_run`)."""
    counts = conn.execute(
        """SELECT match_status, count(*) FROM chat_files
           WHERE month = %s AND processing_status <> 'vanished' GROUP BY 1""",
        (month,),
    ).fetchall()
    _keep_run(conn, month, before, after, dict(counts))


def record_run(conn: Connection, month: str, before: Mapping[int, str], after: Mapping[int, str]) -> None:
    """Store the number of chats by "old status → new status" that a run changed.

    If nothing changed, nothing is stored. The counts include chats that only got another contact.
    """
    by_status: dict[str, int] = {}
    for text in after.values():
        by_status[text.partition(" ")[0]] = by_status.get(text.partition(" ")[0], 0) + 1
    _keep_run(conn, month, before, after, by_status)


def _keep_run(
    conn: Connection,
    month: str,
    before: Mapping[int, str],
    after: Mapping[int, str],
    by_status: Mapping[str, int],
) -> None:
    moved: dict[str, int] = {}
    for chat, new in after.items():
        old = before.get(chat, "new")
        if old != new:
            move = f"{old.partition(' ')[0]} → {new.partition(' ')[0]}"
            moved[move] = moved.get(move, 0) + 1
    if not moved:
        return
    conn.execute(
        "INSERT INTO link_runs (month, by_status, changes) VALUES (%s, %s::jsonb, %s::jsonb)",
        (month, json.dumps(dict(by_status), sort_keys=True), json.dumps(moved, sort_keys=True)),
    )


def changes(conn: Connection, month: str) -> dict[str, int]:
    """Return the changes of the last run or decision that changed a link of the month (see `record_run`)."""
    row = conn.execute(
        "SELECT changes FROM link_runs WHERE month = %s ORDER BY id DESC LIMIT 1", (month,)
    ).fetchone()
    return dict(row[0]) if row else {}
