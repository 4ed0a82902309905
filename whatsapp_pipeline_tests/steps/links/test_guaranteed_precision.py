"""What verdicts guarantee, from the tables: which count, and in which order links are drawn."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from whatsapp_pipeline.domain.matching.precision import PrecisionBound
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.decide import (
    ChatDecision,
    give_verdict,
    make_decision,
    relink_months,
    undo_decision,
)
from whatsapp_pipeline.steps.links.guaranteed_precision import guaranteed_precision
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import precision_sample, verdicts
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat, add_contact

MONTH = ["2025-01"]
CHATS = 60


@pytest.fixture
def linked(fresh_database_url: str) -> Iterator[Connection]:
    """Sixty links by a phone: half by the one in the title, half by the one inside, which are less sure."""
    with connect(fresh_database_url) as conn:
        for n in range(1, CHATS + 1):
            phone = f"(41) 9{n % 4 + 6}999-0{n:03d}" if n % 2 else f"(41) 3999-0{n:03d}"
            add_contact(conn, n, f"Pessoa {n}", *((phone,) if n % 2 else (None, phone)))
            if n % 2:
                add_chat(conn, f"+55 {phone}", path=f"2025/01/{n}.txt")
            else:
                add_chat(conn, f"Cliente {n}", path=f"2025/01/{n}.txt", headers=((phone, _key(phone)),))
        normalize_contacts(conn, default_area_code=None, log=logging.getLogger(__name__))
        _relink(conn)
        yield conn


def _key(phone: str) -> str:
    digits = "".join(filter(str.isdigit, phone))
    return digits[:2] + digits[-8:]


def _relink(conn: Connection) -> None:
    relink_months(conn, MONTH, default_area_code=None, log=logging.getLogger(__name__))


def _bound(conn: Connection) -> PrecisionBound:
    found = guaranteed_precision(conn, MONTH).overall
    assert found is not None
    return found


def test_verdicts_in_the_order_of_the_draws_raise_the_bound(linked: Connection) -> None:
    assert (_bound(linked).links, _bound(linked).verdicts, _bound(linked).share) == (CHATS, 0, 0.0)
    shares = []
    for _ in range(4):
        for item in precision_sample.next_links(linked, MONTH, limit=10):
            give_verdict(linked, item.id_chat_file, "right", note=None, reviewer="ana")
        shares.append(_bound(linked).share)
    assert shares == sorted(set(shares))
    assert shares[-1] > 0.93
    assert _bound(linked).verdicts == 40
    by_method = guaranteed_precision(linked, MONTH).by_method
    assert sum(bound.verdicts for bound in by_method.values()) <= 40 + CHATS
    assert all(bound.verdicts >= 20 for bound in by_method.values())


def test_a_verdict_out_of_order_waits_for_those_before_it(linked: Connection) -> None:
    first, second, third = precision_sample.next_links(linked, MONTH, limit=3)
    give_verdict(linked, third.id_chat_file, "right", note=None, reviewer="ana")
    give_verdict(linked, second.id_chat_file, "unsure", note=None, reviewer="ana")
    assert _bound(linked).verdicts == 0
    give_verdict(linked, first.id_chat_file, "right", note=None, reviewer="ana")
    assert (_bound(linked).verdicts, _bound(linked).wrong) == (3, 1)  # unsure counts as wrong


def test_a_wrong_link_that_its_verdict_took_away_still_counts_until_it_is_undone(linked: Connection) -> None:
    items = precision_sample.next_links(linked, MONTH, limit=20)
    touched = give_verdict(linked, items[0].id_chat_file, "wrong", note=None, reviewer="ana")
    for item in items[1:]:
        give_verdict(linked, item.id_chat_file, "right", note=None, reviewer="ana")
    _relink(linked)
    with_wrong = _bound(linked)
    assert (with_wrong.verdicts, with_wrong.wrong, with_wrong.links) == (20, 1, CHATS - 1)
    row = next(
        r for r in verdicts.review_sample(linked, "2025-01") if r.id_chat_file == items[0].id_chat_file
    )
    assert row.verdict == "wrong"
    assert verdicts.count_verdicts(linked, "2025-01").wrong == 1
    assert touched is not None
    undo_decision(linked, touched.id_override, reason="mistaken", removed_by="ana")
    _relink(linked)
    assert (_bound(linked).verdicts, _bound(linked).links) == (0, CHATS)
    give_verdict(linked, items[0].id_chat_file, "right", note=None, reviewer="ana")
    assert (_bound(linked).verdicts, _bound(linked).wrong) == (20, 0)
    assert _bound(linked).share > with_wrong.share


def test_a_verdict_counts_while_the_link_it_judged_is_in_force(linked: Connection) -> None:
    first, *_ = precision_sample.next_links(linked, MONTH, limit=1)
    give_verdict(linked, first.id_chat_file, "right", note=None, reviewer="ana")
    assert _bound(linked).verdicts == 1
    other = first.id_contato % CHATS + 1
    linked.execute("UPDATE chat_files SET id_contato = %s WHERE id = %s", (other, first.id_chat_file))
    assert _bound(linked).verdicts == 0  # another link: it is drawn anew, and has no verdict


def test_a_decision_that_confirms_a_link_is_a_verdict(linked: Connection) -> None:
    first, *_ = precision_sample.next_links(linked, MONTH, limit=1)
    make_decision(linked, ChatDecision(first.id_chat_file, "contact", first.id_contato, "she says so", "ana"))
    assert (_bound(linked).verdicts, _bound(linked).wrong, _bound(linked).links) == (1, 0, CHATS)


def test_less_sure_links_come_sooner_and_the_report_samples_the_first(linked: Connection) -> None:
    weights = dict(linked.execute("SELECT id_chat_file, weight FROM rule_links").fetchall())
    assert set(weights.values()) == {1.0, 2.0}
    order = [row[0] for row in linked.execute("SELECT id_chat_file FROM rule_links ORDER BY draw")]
    sample = verdicts.review_sample(linked, "2025-01")
    assert set(order[:20]) <= {row.id_chat_file for row in sample}
    assert {row.id_chat_file for row in sample if not row.warnings} <= set(order[:20])
    places = {weight: [order.index(chat) for chat in order if weights[chat] == weight] for weight in (1, 2)}
    assert sum(places[2]) / len(places[2]) < sum(places[1]) / len(places[1]) - 2
