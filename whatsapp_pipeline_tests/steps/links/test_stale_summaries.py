"""Decisions on links flag the summaries that they make stale; the next run of summaries unflags them."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import pytest

from whatsapp_pipeline.steps.links.decide import (
    ChatDecision,
    DecisionKind,
    DecisionScope,
    make_decision,
    undo_decision,
)
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, stale_contacts, summarize
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.summaries.summary_work import open_work
from whatsapp_pipeline_tests.console.doubts import add_live_doubt, write_doubts
from whatsapp_pipeline_tests.console.people import write_people

LOG = logging.getLogger(__name__)
ANA, RUI = 7, 8


@pytest.fixture
def summarized(fresh_database_url: str) -> Iterator[tuple[Connection, dict[str, int]]]:
    """A connection to a database whose summaries are current, and the ids of the chats in doubt."""
    write_people(fresh_database_url)
    chats = write_doubts(fresh_database_url)
    with connect(fresh_database_url) as conn:
        add_live_doubt(conn, "4199990008", "Rui", 3)
        ((chats["A"],),) = conn.execute("SELECT id FROM chat_files WHERE filename = 'A'").fetchall()
        _run(conn)
        assert _flagged(conn) == set()
        yield conn, chats


def _run(conn: Connection, **options: object) -> None:
    summarize(conn, SummaryOptions(**options), log=LOG)  # type: ignore[arg-type]  # any option by name


def _flagged(conn: Connection) -> set[int]:
    return {contact for (contact,) in conn.execute("SELECT id_contato FROM stale_summaries").fetchall()}


def _not_current(conn: Connection) -> set[int]:
    """Contacts whose summary a run would change or delete, by the rule of summaries_are_current."""
    gone = conn.execute(
        "SELECT id_contato FROM customer_chat_summaries s WHERE NOT EXISTS"
        " (SELECT FROM messages_all m WHERE m.id_contato = s.id_contato)"
    ).fetchall()
    return {*stale_contacts(conn, SummaryOptions())[1], *(contact for (contact,) in gone)}


def _decide(conn: Connection, chat: int, contact: int | None, scope: DecisionScope = "chat") -> int:
    kind: DecisionKind = "no_contact" if contact is None else "contact"
    return make_decision(conn, ChatDecision(chat, kind, contact, "test", "rita", scope)).id_override


def test_both_customers_of_a_chat_that_moves_are_flagged(
    summarized: tuple[Connection, dict[str, int]],
) -> None:
    conn, chats = summarized
    _decide(conn, chats["A"], ANA)  # whose it was already
    assert _flagged(conn) == set()
    moved = _decide(conn, chats["A"], RUI)
    assert _flagged(conn) == {ANA, RUI} == _not_current(conn)
    _run(conn)
    assert _flagged(conn) == set() == _not_current(conn)
    undo_decision(conn, moved, reason="mistake", removed_by="rita")
    assert _flagged(conn) == {ANA, RUI} == _not_current(conn)


def test_a_decision_on_a_sessions_order_flags_its_customer(
    summarized: tuple[Connection, dict[str, int]],
) -> None:
    conn, chats = summarized
    made = make_decision(conn, ChatDecision(chats["A"], "order", 71, "test", "rita", session=2))
    assert _flagged(conn) == {ANA} == _not_current(conn)
    _run(conn)
    undo_decision(conn, made.id_override, reason="mistake", removed_by="rita")
    assert _flagged(conn) == {ANA} == _not_current(conn)


def test_no_stale_summary_is_without_a_flag(summarized: tuple[Connection, dict[str, int]]) -> None:
    """Whatever is decided and undone, with live conversations of the phone, the check finds no others."""
    conn, chats = summarized
    rng = random.Random(3)
    made: list[int] = []
    for _ in range(12):
        if made and rng.random() < 0.3:
            undo_decision(conn, made.pop(rng.randrange(len(made))), reason="mistake", removed_by="rita")
        else:
            name = rng.choice(sorted(chats))
            scope: DecisionScope = "phone" if name in {"D1", "D2"} and rng.random() < 0.5 else "chat"
            made.append(_decide(conn, chats[name], rng.choice((ANA, RUI, None)), scope))
        assert _not_current(conn) <= _flagged(conn) <= {ANA, RUI}
        if rng.random() < 0.4:
            _run(conn)
            assert _flagged(conn) == set() == _not_current(conn)


def test_a_run_unflags_only_what_it_computed(
    summarized: tuple[Connection, dict[str, int]], fresh_database_url: str
) -> None:
    conn, chats = summarized
    _decide(conn, chats["A"], RUI)
    _run(conn, contacts=(ANA,))
    assert _flagged(conn) == {RUI}
    _run(conn, held_months={"2025-01": "a check"})
    assert _flagged(conn) == {RUI}
    with open_work(conn, "digest") as staged:
        with connect(fresh_database_url) as other:
            _decide(other, chats["D4"], RUI)
        staged.delete_stale_rows()
    assert _flagged(conn) == {RUI}  # the decision came after the run had read the links
    _run(conn)
    assert _flagged(conn) == set() == _not_current(conn)
