"""Decisions of people: their scope, refusals, taking back, and what the rules make of them."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import psycopg
import pytest

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.decide import (
    AlreadyDecidedError,
    ChatDecision,
    DecisionKind,
    add_override,
    give_verdict,
    make_decision,
    relink_months,
    scope_offers,
    shown_state,
    undo_decision,
)
from whatsapp_pipeline.steps.operations.gates import unmet
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import chat_state, models, overrides, review
from whatsapp_pipeline.store.links.overrides import NewOverride
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order

LOG = logging.getLogger(__name__)
MONTHS = ("2025-01", "2025-02")


@pytest.fixture
def fresh(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        add_contact(conn, 11, "Ana Lima", "(41) 99999-0011")
        add_contact(conn, 18, "Ana Souza", "(41) 99999-0018")
        add_contact(conn, 19, "Bruno Souza", "(41) 99999-0019")
        add_order(conn, 5, 11, number="30415")
        add_order(conn, 6, 18, number="30415")
        normalize_contacts(conn, default_area_code=None, log=LOG)
        yield conn


def _relink(conn: Connection) -> None:
    relink_months(conn, MONTHS, default_area_code=None, log=LOG)


def _link(conn: Connection, chat: int) -> tuple[str, int | None, list[str]]:
    row = conn.execute(
        "SELECT match_status, id_contato, match_flags FROM chat_files WHERE id = %s", (chat,)
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def _tables(conn: Connection) -> list[object]:
    """What linking wrote of every chat and session, without times."""
    return [
        conn.execute(
            "SELECT id, match_status, match_method, match_confidence, id_contato, match_flags,"
            " id_ordem_servico, order_match_method FROM chat_files ORDER BY id"
        ).fetchall(),
        conn.execute("SELECT * FROM match_candidates ORDER BY id_chat_file, rank").fetchall(),
        conn.execute(
            "SELECT id, order_match_status, id_ordem_servico, order_flags FROM chat_sessions ORDER BY id"
        ).fetchall(),
    ]


def test_a_decision_is_about_the_chat_and_not_about_everybody_with_its_title(fresh: Connection) -> None:
    january = add_chat(fresh, "Ana", path="2025/01/Ana.txt")
    february = add_chat(fresh, "Ana", month="2025-02", path="2025/02/Ana.txt")
    hers = add_chat(
        fresh, "Ana", month="2025-02", path="2025/02/b/Ana.txt", headers=(("+5541999990018", "4199990018"),)
    )
    _relink(fresh)
    outcome = make_decision(fresh, ChatDecision(january, "contact", 11, "she signs with Lima", "maria"))
    assert outcome.chats == (january,)
    assert _link(fresh, january)[:2] == ("manual", 11)
    _relink(fresh)
    assert _link(fresh, january)[:2] == ("manual", 11)
    assert _link(fresh, february)[1] is None
    assert _link(fresh, hers)[:2] == ("linked", 18)


def test_a_decision_on_a_chat_with_a_phone_is_about_the_phone(fresh: Connection) -> None:
    first = add_chat(fresh, "+55 41 98888-0001")
    same = add_chat(
        fresh, "Tia", month="2025-02", path="2025/02/t.txt", headers=(("+5541988880001", "4188880001"),)
    )
    _relink(fresh)
    offers = scope_offers(fresh, first)
    assert [(offer.scope, offer.chats) for offer in offers] == [("phone", 2), ("chat", 1), ("title", 1)]
    outcome = make_decision(fresh, ChatDecision(first, "contact", 19, "says so", "maria"))
    assert (outcome.chats, outcome.months) == ((first, same), ("2025-01", "2025-02"))
    assert _link(fresh, same)[:2] == ("manual", 19)
    alone = make_decision(fresh, ChatDecision(same, "no_contact", None, "lent", "maria", "chat"))
    assert alone.chats == (same,)
    _relink(fresh)
    assert [_link(fresh, chat)[:2] for chat in (first, same)] == [("manual", 19), ("manual", None)]
    again = make_decision(fresh, ChatDecision(first, "contact", 18, "it is Ana", "maria"))
    assert (again.chats, again.outranked) == ((first, same), (("chat", same),))
    assert [_link(fresh, chat)[:2] for chat in (first, same)] == [("manual", 18), ("manual", None)]
    assert scope_offers(fresh, first)[0].linked_now == ((18, 1), (None, 1))


@pytest.mark.parametrize(
    ("title", "kind", "scope"),
    [
        ("+55 41 98888-0001", "contact", "phone"),
        ("+55 41 98888-0001", "no_contact", "phone"),
        ("+55 41 98888-0001", "not_contact", "file"),
        ("+55 41 98888-0001", "order", "file"),
        ("+55 41 98888-0001", "no_order", "file"),
        ("+55 41 98888-0001", "not_order", "file"),
        ("Ana", "contact", "file"),
        ("Ana", "no_contact", "file"),
    ],
)
def test_a_decision_is_about_the_phone_or_else_the_chat_and_never_unasked_about_a_title(
    fresh: Connection, title: str, kind: DecisionKind, scope: str
) -> None:
    """An order is that of one chat, and so is a refusal; the same phone may ask about another order."""
    chat = add_chat(fresh, title, sessions=(Session(),))
    id_ = {"contact": 11, "not_contact": 11, "order": 5, "not_order": 5}.get(kind)
    make_decision(fresh, ChatDecision(chat, kind, id_, "says so", "maria"))
    assert [row.target_kind for row in overrides.list_all(fresh)] == [scope]


def test_a_decision_on_a_title_yields_to_a_phone_and_waits_for_a_person(fresh: Connection) -> None:
    """What `review` stored under a title before it knew of scopes."""
    january = add_chat(fresh, "Ana")
    hers = add_chat(
        fresh, "Ana", month="2025-02", path="2025/02/Ana.txt", headers=(("+5541999990018", "4199990018"),)
    )
    fresh.execute("SELECT override_link('title', 'Ana', 'contact', 11, 'review: number 1 of 2')")
    _relink(fresh)
    assert _link(fresh, january)[:2] == ("manual", 11)
    assert _link(fresh, hers) == ("ambiguous", None, ["decision_contradicts_phone"])
    waiting = review.queue(fresh, ["2025-02"])
    assert [(item.id_chat_file, [c["id"] for c in item.candidates]) for item in waiting] == [(hers, [18, 11])]
    make_decision(fresh, ChatDecision(hers, "contact", 18, "her phone", "maria"))
    _relink(fresh)
    assert _link(fresh, hers)[:2] == ("manual", 18)
    assert _link(fresh, january)[:2] == ("manual", 11)


def test_a_wrong_verdict_unlinks_refuses_queues_and_teaches(fresh: Connection) -> None:
    chat = add_chat(fresh, "+55 41 99999-0011")
    other = add_chat(fresh, "+55 41 99999-0011", month="2025-02", path="2025/02/other.txt")
    _relink(fresh)
    assert _link(fresh, chat)[:2] == ("linked", 11)
    touched = give_verdict(fresh, chat, "wrong", note="her sister's number", reviewer="maria")
    assert touched is not None
    assert (touched.chats, _link(fresh, chat)[:2]) == ((chat,), ("pending", None))
    for _ in range(2):
        _relink(fresh)
        assert _link(fresh, chat) == ("unmatched", None, ["contact_refused"])
    assert not [c for item in review.queue(fresh, ["2025-01"]) for c in item.candidates if c["id"] == 11]
    assert [item.id_chat_file for item in review.queue(fresh, ["2025-01"])] == [chat]
    assert _link(fresh, other)[:2] == ("linked", 11)
    assert ("+55 41 99999-0011", None) in models.decided_titles(fresh)
    # A person says so after all.
    make_decision(fresh, ChatDecision(chat, "contact", 11, "it is her", "bia"))
    _relink(fresh)
    assert _link(fresh, chat)[:2] == ("manual", 11)


def test_a_refusal_leaves_the_other_owner_of_a_phone_a_proposal(fresh: Connection) -> None:
    add_contact(fresh, 12, "Caio Lima", "(41) 99999-0011")
    normalize_contacts(fresh, default_area_code=None, log=LOG)
    chat = add_chat(fresh, "Ana Lima", headers=(("+5541999990011", "4199990011"),))
    _relink(fresh)
    assert _link(fresh, chat)[:2] == ("linked", 11)
    give_verdict(fresh, chat, "wrong", note=None, reviewer="maria")
    _relink(fresh)
    status, contact, flags = _link(fresh, chat)
    assert (status in {"proposed", "ambiguous", "unmatched"}, contact) == (True, None)
    assert "contact_refused" in flags


def test_a_wrong_verdict_outranks_the_older_decision_it_judges(fresh: Connection) -> None:
    chat = add_chat(fresh, "Ana")
    _relink(fresh)
    make_decision(fresh, ChatDecision(chat, "contact", 18, "guessed", "maria"))
    _relink(fresh)
    touched = give_verdict(fresh, chat, "wrong", note=None, reviewer="bia")
    _relink(fresh)
    assert _link(fresh, chat)[1] is None
    assert touched is not None
    undo_decision(fresh, touched.id_override, reason="mistaken", removed_by="bia")
    _relink(fresh)
    assert _link(fresh, chat)[:2] == ("manual", 18)
    withdrawn = fresh.execute(
        "SELECT count(*) FROM review_verdicts WHERE withdrawn_at IS NOT NULL"
    ).fetchone()
    assert withdrawn == (1,)


def test_a_decision_judges_the_links_it_confirms_or_corrects(fresh: Connection) -> None:
    right, wrong = add_chat(fresh, "+55 41 99999-0011"), add_chat(fresh, "+55 41 99999-0018")
    _relink(fresh)
    make_decision(fresh, ChatDecision(right, "contact", 11, "it is her", "maria", "chat"))
    make_decision(fresh, ChatDecision(wrong, "contact", 19, "it is Bruno", "maria", "chat"))
    rows = fresh.execute(
        "SELECT id_chat_file, verdict, id_contato FROM review_verdicts ORDER BY 1"
    ).fetchall()
    assert rows == [(right, "right", 11), (wrong, "wrong", 18)]


def test_taking_a_decision_back_restores_the_one_it_superseded(fresh: Connection) -> None:
    chat = add_chat(fresh, "Ana")
    _relink(fresh)
    decisions = [
        make_decision(fresh, ChatDecision(chat, "contact", contact, "because", "maria")).id_override
        for contact in (11, 18, 19)
    ]
    first, second, third = decisions
    undo_decision(fresh, second, reason="mistaken", removed_by="maria")  # superseded: what is in force stays
    assert _link(fresh, chat)[:2] == ("manual", 19)
    undo_decision(fresh, third, reason="mistaken", removed_by="maria")  # passes over the second
    assert _link(fresh, chat)[:2] == ("manual", 11)
    assert [row.id for row in overrides.list_all(fresh)] == [first]
    with pytest.raises(PipelineError, match="already withdrawn"):
        undo_decision(fresh, third, reason="again", removed_by="maria")
    undo_decision(fresh, first, reason="mistaken", removed_by="maria")
    _relink(fresh)
    assert _link(fresh, chat)[0] in {"ambiguous", "proposed"}
    assert overrides.list_all(fresh) == []


def test_taking_all_decisions_back_in_any_order_restores_the_state_before(fresh: Connection) -> None:
    chats = [
        add_chat(fresh, "Ana", sessions=(Session(), Session())),
        add_chat(fresh, "Ana", path="2025/01/2.txt", headers=(("+5541999990018", "4199990018"),)),
        add_chat(fresh, "+55 41 99999-0011", sessions=(Session(),)),
        add_chat(fresh, "+55 41 99999-0019", month="2025-02", path="2025/02/3.txt"),
    ]
    _relink(fresh)
    before = _tables(fresh)
    for seed in range(4):
        rng = random.Random(seed)
        made = [_random_decision(fresh, rng, chats) for _ in range(6)]
        _relink(fresh)
        rng.shuffle(made)
        for id_override in made:
            undo_decision(fresh, id_override, reason="undone", removed_by="maria")
        _relink(fresh)
        assert _tables(fresh) == before, f"seed {seed}"
        assert overrides.list_all(fresh) == []


def _random_decision(conn: Connection, rng: random.Random, chats: list[int]) -> int:
    chat = rng.choice(chats)
    if rng.random() < 0.3 and chat != chats[1] and chat != chats[3]:
        wanted = ChatDecision(chat, "order", rng.choice((5, 6)), "because", "maria", session=1)
    elif rng.random() < 0.3:
        wanted = ChatDecision(chat, "not_contact", rng.choice((11, 18, 19)), "because", "maria")
    else:
        scope = rng.choice([offer.scope for offer in scope_offers(conn, chat)])
        wanted = ChatDecision(chat, "contact", rng.choice((11, 18, 19)), "because", "maria", scope)
    return make_decision(conn, wanted).id_override


def test_the_second_of_two_reviewers_is_told(fresh: Connection) -> None:
    chat = add_chat(fresh, "Ana")
    _relink(fresh)
    shown = shown_state(fresh, chat)
    make_decision(fresh, ChatDecision(chat, "contact", 11, "hers", "maria"), shown=shown)
    with pytest.raises(AlreadyDecidedError, match="already decided by maria"):
        make_decision(fresh, ChatDecision(chat, "contact", 18, "hers", "bia"), shown=shown)
    assert _link(fresh, chat)[:2] == ("manual", 11)


def test_an_order_is_decided_and_refused_for_a_session(fresh: Connection) -> None:
    chat = add_chat(fresh, "+55 41 99999-0011", sessions=(Session(order_numbers=["30415"]), Session()))
    _relink(fresh)
    state = fresh.execute(
        "SELECT id_ordem_servico FROM chat_sessions WHERE id_chat_file = %s ORDER BY number", (chat,)
    )
    assert state.fetchall()[0] == (5,)
    make_decision(fresh, ChatDecision(chat, "not_order", 5, "another device", "maria", session=1))
    _relink(fresh)
    row = fresh.execute(
        "SELECT order_match_status, id_ordem_servico, order_flags FROM chat_sessions"
        " WHERE id_chat_file = %s AND number = 1",
        (chat,),
    ).fetchone()
    assert row is not None
    assert (row[1], "order_refused" in row[2]) == (None, True)
    make_decision(fresh, ChatDecision(chat, "order", 6, "she pays for her", "maria", session=1))
    assert chat_state.link_state(fresh, chat, 1) == ("manual", 11, 6)
    _relink(fresh)
    assert chat_state.link_state(fresh, chat, 1) == ("manual", 11, 6)


def _orders(conn: Connection, chat: int) -> tuple[object, ...]:
    row = conn.execute(
        "SELECT id_ordem_servico, order_match_method FROM chat_files WHERE id = %s", (chat,)
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_the_order_of_a_chat_is_at_once_what_the_next_run_writes(fresh: Connection) -> None:
    chat = add_chat(fresh, "+55 41 99999-0011", sessions=(Session(order_numbers=["30415"]),))
    _relink(fresh)
    by_rules = _orders(fresh, chat)
    assert by_rules[0] == 5
    decisions: tuple[tuple[DecisionKind, int | None], ...] = (("order", 6), ("no_order", None), ("order", 5))
    for kind, order in decisions:
        make_decision(fresh, ChatDecision(chat, kind, order, "because", "maria", session=1))
        assert _orders(fresh, chat) == (order, "override")
        _relink(fresh)
        assert _orders(fresh, chat) == (order, "override")
    last = overrides.list_all(fresh)[-1]
    undo_decision(fresh, last.id, reason="mistaken", removed_by="maria")
    assert chat_state.link_state(fresh, chat, 1) == ("manual", 11, None), "the one before holds again"
    assert _orders(fresh, chat) == (None, "override")
    undo_decision(fresh, overrides.list_all(fresh)[-1].id, reason="mistaken", removed_by="maria")
    undo_decision(fresh, overrides.list_all(fresh)[-1].id, reason="mistaken", removed_by="maria")
    assert _orders(fresh, chat) == (None, None), "pending"
    _relink(fresh)
    assert _orders(fresh, chat) == by_rules


def test_a_decision_on_a_phone_keeps_an_order_that_was_decided_for_one_session(fresh: Connection) -> None:
    chat = add_chat(fresh, "+55 41 99999-0011", sessions=(Session(), Session()))
    _relink(fresh)
    make_decision(fresh, ChatDecision(chat, "order", 6, "hers", "maria", session=2))
    add_override(fresh, NewOverride("phone", "+55 41 99999-0011", "order", 5, "all of it", "maria"))
    assert chat_state.link_state(fresh, chat, 1) == ("manual", 11, 5)
    assert chat_state.link_state(fresh, chat, 2) == ("manual", 11, 6)
    assert _orders(fresh, chat) == (None, None)
    _relink(fresh)
    assert _orders(fresh, chat) == (None, None)


def test_nobody_has_kinds(fresh: Connection) -> None:
    chat = add_chat(fresh, "Ana")
    _relink(fresh)
    make_decision(
        fresh, ChatDecision(chat, "no_contact", None, "sells toner", "m", nobody_kind="private_or_supplier")
    )
    assert [row.nobody_kind for row in overrides.list_all(fresh)] == ["private_or_supplier"]
    with pytest.raises(PipelineError, match="only nobody has a kind"):
        add_override(
            fresh, NewOverride("title", "Ana", "contact", 11, "why", "m", nobody_kind="wrong_number")
        )


def test_what_a_reviewer_puts_off_stays_in_the_others_queue(fresh: Connection) -> None:
    chat = add_chat(fresh, "Ana")
    _relink(fresh)
    until = fresh.execute("SELECT now() + interval '1 day'").fetchone()
    assert until is not None
    chat_state.snooze(fresh, chat, None, reviewer="maria", until=until[0])
    assert review.queue(fresh, ["2025-01"], reviewer="maria") == []
    assert [item.id_chat_file for item in review.queue(fresh, ["2025-01"], reviewer="bia")] == [chat]


def test_the_checkpoint_of_reviewed_links_asks_that_reviewers_agree(fresh: Connection) -> None:
    chats = [add_chat(fresh, "+55 41 99999-0011", path=f"2025/01/{n}.txt") for n in range(4)]
    _relink(fresh)
    fresh.execute("UPDATE chat_files SET processing_status = 'loaded'")
    assert "have no verdict" in (unmet(fresh, "links_reviewed", ["2025-01"]) or "")
    for chat in chats[:3]:
        give_verdict(fresh, chat, "right", note=None, reviewer="maria")
    touched = give_verdict(fresh, chats[3], "wrong", note=None, reviewer="maria")
    reason = unmet(fresh, "links_reviewed", ["2025-01"])
    assert reason is not None
    assert "reviewers agree with 75.0%" in reason
    assert touched is not None
    undo_decision(fresh, touched.id_override, reason="mistaken", removed_by="maria")
    _relink(fresh)
    give_verdict(fresh, chats[3], "right", note=None, reviewer="maria")
    assert unmet(fresh, "links_reviewed", ["2025-01"]) is None


def test_a_taken_back_decision_is_never_rewritten(fresh: Connection) -> None:
    chat = add_chat(fresh, "Ana")
    made = make_decision(fresh, ChatDecision(chat, "contact", 11, "hers", "maria")).id_override
    undo_decision(fresh, made, reason="mistaken", removed_by="maria")
    for change in ("removed_at = NULL, removed_by = NULL, removed_reason = NULL", "superseded_by = 99"):
        with pytest.raises(psycopg.Error, match="never rewritten"):
            fresh.execute(f"UPDATE link_overrides SET {change}".encode())
