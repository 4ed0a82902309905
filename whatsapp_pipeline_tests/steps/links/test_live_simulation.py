"""Thousands of live conversations, taken in as webhook deliveries, and the contacts they are linked to.

What belongs here: shares over a simulated customer base. What does not: single rules (test_live_links.py).
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import pytest

from whatsapp_pipeline.domain.vocabulary import fold_ascii
from whatsapp_pipeline.sandbox import numbers
from whatsapp_pipeline.sandbox.people import Registry, SamplePerson, make_people, typed
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.live_links import link_live
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat, add_contact
from whatsapp_pipeline_tests.truth.linked_months import link_month
from whatsapp_pipeline_tests.webhook.deliveries import NOON, delivery, process, put, text

pytestmark = pytest.mark.slow

LOG = logging.getLogger(__name__)
PEOPLE, PAIRS, STRANGERS, PER_DELIVERY = 2600, 300, 200, 50
# Phones that a contact's own field names in full; the others lack an area code, or there is none.
WHOLE = {"celular", "celular_no_ninth", "celular_e164", "celular_words", "two_numbers", "telefone"}
SLOGANS = ("Deus é fiel 🙏", "🌻", ".", "Vendas 24h", "")


class Writer(NamedTuple):
    """Somebody who writes: the contact they are (None: no contact), and the name of their profile."""

    contact: SamplePerson | None
    number: str
    profile: str


def _profile(rng: random.Random, name: str) -> str:
    """Return the name that a customer gave their own profile."""
    words = name.split()
    short = f"{words[0]} {words[-1]}"
    return rng.choice((name, short, words[0], words[0].lower(), f"{words[0]} ❤️", f"~{short}"))


def _people(rng: random.Random) -> tuple[list[SamplePerson], dict[int, SamplePerson]]:
    """Return customers, and by id the one whose number each of some pairs has, too: families and offices."""
    people = make_people(7, PEOPLE, datetime(2024, 1, 1), Registry())
    alone = [
        person
        for person in people
        if person.phone_way == "celular" and person.shared_with is None and not person.company
    ]
    rng.shuffle(alone)
    sharing: dict[int, SamplePerson] = {}
    for one, other in zip(alone[:PAIRS], alone[PAIRS : 2 * PAIRS], strict=True):
        other.number, other.celular = one.number, typed(one.number)
        sharing |= {one.id: other, other.id: one}
    return people, sharing


def _wa_id(rng: random.Random, number: str) -> str:
    """Return a number as WhatsApp names it: of many areas without the ninth digit."""
    return "55" + (numbers.without_ninth_digit(number) if rng.random() < 0.5 else number)


def _take(conn: Connection, rng: random.Random, writers: Sequence[Writer]) -> dict[str, Writer]:
    """Take a message of each in; return who has which number."""
    # One of those who share a number writes: a number is one conversation.
    by_number = {writer.number: writer for writer in writers}
    by_id = {_wa_id(rng, number): writer for number, writer in by_number.items()}
    senders = list(by_id)
    for first in range(0, len(senders), PER_DELIVERY):
        batch = senders[first : first + PER_DELIVERY]
        messages = [text(f"w{sender}", "oi, bom dia", sender=sender, at=NOON) for sender in batch]
        contacts = [{"wa_id": sender, "profile": {"name": by_id[sender].profile}} for sender in batch]
        put(conn, delivery(*messages, contacts=contacts))
    while process(conn).deliveries:
        pass
    return by_id


@pytest.fixture
def base(fresh_database_url: str) -> Iterator[tuple[Connection, list[SamplePerson], dict[int, SamplePerson]]]:
    people, sharing = _people(random.Random(5))
    with connect(fresh_database_url) as conn:
        with conn.transaction():
            for person in people:
                add_contact(conn, person.id, person.name, person.celular, person.telefone)
        normalize_contacts(conn, default_area_code=None, log=LOG)
        add_chat(conn, "Ana Lima")  # linking a month fits the name model
        link_month(conn, "2025-01", LinkOptions(name_fit_titles=1500), log=LOG)
        yield conn, people, sharing


def test_live_conversations_are_linked_by_number_and_profile(
    base: tuple[Connection, list[SamplePerson], dict[int, SamplePerson]],
) -> None:
    conn, people, sharing = base
    rng = random.Random(6)
    shared_numbers = Counter(person.number for person in people)
    writers = []
    for person in people:
        profile = rng.choice(SLOGANS) if rng.random() < 0.15 else _profile(rng, person.name)
        writers.append(Writer(person, person.number, profile))
    rng.shuffle(writers)
    writers += [
        Writer(None, numbers.mobile(rng), _profile(rng, rng.choice(people).name)) for _ in range(STRANGERS)
    ]
    by_id = _take(conn, rng, writers)
    link_live(conn, log=LOG)
    found = {
        row[0]: (row[1], row[2])
        for row in conn.execute("SELECT external_id, id_contato, match_status FROM conversations")
    }
    outcome: dict[str, Counter[str]] = {
        kind: Counter()
        for kind in ("alone", "shared, told apart", "shared", "no area", "no number", "stranger")
    }
    for sender, writer in by_id.items():
        contact, status = found[sender]
        right = writer.contact is not None and contact == writer.contact.id
        kind = _kind(writer, sharing, shared_numbers)
        outcome[kind]["right" if right else "wrong" if status == "linked" else "open"] += 1
    assert sum(counter.total() for counter in outcome.values()) >= 2000
    assert {kind: counter["wrong"] for kind, counter in outcome.items()} == dict.fromkeys(outcome, 0)
    assert outcome["alone"]["right"] >= 0.99 * outcome["alone"].total()
    assert outcome["shared, told apart"]["right"] >= 0.99 * outcome["shared, told apart"].total()
    assert outcome["no area"]["right"] >= 0.8 * outcome["no area"].total()  # the others' profiles name nobody
    assert outcome["stranger"]["right"] == outcome["no number"]["right"] == 0


def _kind(writer: Writer, sharing: dict[int, SamplePerson], numbers_of: Counter[str]) -> str:
    person = writer.contact
    if person is None:
        return "stranger"
    other = sharing.get(person.id)
    if other is not None:
        names = [set(fold_ascii(name.name).split()) for name in (person, other)]
        said = set(fold_ascii(writer.profile).split())
        return "shared, told apart" if said & names[0] - names[1] else "shared"
    if numbers_of[person.number] > 1:
        return "shared"
    if person.phone_way in WHOLE:
        return "alone"
    return "no area" if person.phone_way == "unknown_area" else "no number"
