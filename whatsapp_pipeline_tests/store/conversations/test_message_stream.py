"""Pages of messages: those of a scope, in order, around any place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import pytest

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations.chat_heads import chat_head
from whatsapp_pipeline.store.conversations.message_stream import (
    END,
    Place,
    StreamMessage,
    StreamScope,
    attachment_of,
    locate_message,
    messages_around,
    messages_between,
    word_hits,
)
from whatsapp_pipeline_tests.summaries_data import START, Said, add_chat, add_contact, add_order, add_webhook
from whatsapp_pipeline_tests.webhook.deliveries import one

HOUR = 60


class Ids(NamedTuple):
    """The chats and conversations of the two customers."""

    export: int
    later_export: int
    live: int
    other_export: int
    other_live: int


@pytest.fixture(scope="module")
def ids(database_url: str) -> Iterator[Ids]:
    """Customer 1 has two exports, an order and a live conversation; customer 2 has one of each."""
    from whatsapp_pipeline.store.connection import connect

    with connect(database_url) as conn:
        add_contact(conn, 1, "Ana Lima")
        add_contact(conn, 2, "Bia Reis")
        export = add_chat(
            conn,
            1,
            "ana 1.txt",
            [
                Said(0, "from", "a1 tela"),
                Said(1, "to", "a2"),
                Said(1, "from", "a3"),
                Said(9, "to", "a4 tela"),
            ],
        )
        later = add_chat(conn, 1, "ana 2.txt", [Said(1, "from", "b1 tela"), Said(20, "to", "b2")])
        live = add_webhook(
            conn, 1, [Said(1, "from", "w1 tela"), Said(9, "to", "w2"), Said(HOUR, "from", "w3")]
        )
        add_order(conn, export, 1, 77, "1")
        other = add_chat(conn, 2, "bia.txt", [Said(1, "from", "x1 tela"), Said(3, "to", "x2")])
        add_order(conn, other, 2, 78, "1")
        other_live = add_webhook(conn, 2, [Said(5, "from", "y1 tela")])
        yield Ids(export, later, live, other, other_live)


def words(messages: list[StreamMessage]) -> str:
    """Return the first word of each message; `|` stands for the place that the page was asked around."""
    before = [(m.text or "").split()[0] for m in messages if m.is_before]
    after = [(m.text or "").split()[0] for m in messages if not m.is_before]
    return " ".join([*before, "|", *after])


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


# Messages of one minute are in the order of their files; live ones come last.
ALL_OF_ANA = "a1 a2 a3 b1 w1 a4 w2 b2 w3"


@pytest.mark.parametrize(
    ("kind", "whose", "expected"),
    [
        ("customer", 1, ALL_OF_ANA),
        ("customer", 2, "x1 x2 y1"),
        ("order", 77, "a1 a2 a3 a4"),
        ("order", 78, "x1 x2"),
        ("chat", "export", "a1 a2 a3 a4"),
        ("chat", "later_export", "b1 b2"),
        ("chat", "other_export", "x1 x2"),
        ("webhook", "live", "w1 w2 w3"),
        ("webhook", "other_live", "y1"),
        ("customer", 3, ""),
    ],
)
def test_a_scope_has_its_own_messages_only(
    conn: Connection,
    ids: Ids,
    kind: Literal["customer", "order", "chat", "webhook"],
    whose: int | str,
    expected: str,
) -> None:
    scope = StreamScope(kind, whose if isinstance(whose, int) else getattr(ids, whose))
    assert words(messages_around(conn, scope, END, before=50, after=0)) == f"{expected} |".strip()
    assert words(messages_around(conn, scope, Place(at(-1)), before=0, after=50)) == f"| {expected}".strip()
    assert words(messages_between(conn, scope, None, None, limit=50)) == f"| {expected}".strip()
    with_word = [hit.message_id for hit in word_hits(conn, scope, "tela", limit=50)]
    everything = messages_between(conn, scope, None, None, limit=50)
    assert with_word == [m.message_id for m in everything if "tela" in (m.text or "")]


@pytest.mark.parametrize(
    ("place", "before", "after", "expected"),
    [
        (END, 2, 0, "b2 w3 |"),
        (END, 0, 3, "|"),
        (Place(at(1)), 5, 2, "a1 | a2 a3"),  # a time alone: before everything of that time
        (Place(at(1), "ana 1.txt", 4294967296 + 3), 2, 2, "a1 a2 | a3 b1"),
        (Place(at(1), "ana 2.txt", 0), 1, 1, "a3 | b1"),
        (Place(at(1), "zzz", 0), 1, 1, "b1 | w1"),
        (Place(at(1), None, 0), 1, 1, "b1 | w1"),
        (Place(at(9), None, 2**40), 1, 1, "a4 | w2"),
        (Place(at(HOUR)), 1, 1, "b2 | w3"),
        (Place(at(HOUR + 1)), 1, 1, "w3 |"),
    ],
)
def test_a_page_has_the_messages_next_to_its_place(
    conn: Connection, ids: Ids, place: Place, before: int, after: int, expected: str
) -> None:
    # Live messages stored by hand have no position in the inbox, so their ordinal is above every other.
    found = messages_around(conn, StreamScope("customer", 1), place, before=before, after=after)
    assert words(found) == expected


def test_every_message_is_the_first_after_its_own_place(conn: Connection, ids: Ids) -> None:
    scope = StreamScope("customer", 1)
    everything = messages_between(conn, scope, None, None, limit=50)
    for number, message in enumerate(everything):
        located = locate_message(conn, message.source, message.message_id)
        assert located is not None
        names = [(m.source, m.message_id) for m in everything]
        around = messages_around(conn, scope, located.place, before=2, after=2)
        assert [(m.source, m.message_id) for m in around] == names[max(0, number - 2) : number + 2]
        without = messages_around(conn, scope, located.place, before=0, after=1, exclusive=True)
        assert [(m.source, m.message_id) for m in without] == names[number + 1 : number + 2]
        assert located.id_contato == 1
        in_chat = message.source == "chat"
        assert located.conversation_id == (None if in_chat else ids.live)
        assert located.id_chat_file in ((ids.export, ids.later_export) if in_chat else (None,))
    assert locate_message(conn, "chat", 10**9) is None


@pytest.mark.parametrize(
    ("since", "until", "limit", "expected"),
    [
        (at(1), at(9), 50, "| a2 a3 b1 w1"),  # the end is not part of the period
        (at(9), None, 50, "| a4 w2 b2 w3"),
        (None, at(1), 50, "| a1"),
        (None, None, 3, "| a1 a2 a3"),
    ],
)
def test_a_period_is_from_its_first_time_until_before_its_last(
    conn: Connection, ids: Ids, since: datetime | None, until: datetime | None, limit: int, expected: str
) -> None:
    found = messages_between(conn, StreamScope("customer", 1), since, until, limit=limit)
    assert words(found) == expected


def test_the_newest_hits_of_a_word_are_given_oldest_first(conn: Connection, ids: Ids) -> None:
    found = word_hits(conn, StreamScope("customer", 1), "tela", limit=3)
    ana = StreamScope("customer", 1)
    texts = [words(messages_around(conn, ana, hit.place, before=0, after=1)) for hit in found]
    assert texts == ["| b1", "| w1", "| a4"]
    assert word_hits(conn, StreamScope("customer", 1), "bateria", limit=3) == []


def test_a_word_that_only_shares_the_stem_is_no_hit(conn: Connection, ids: Ids) -> None:
    with conn.transaction(force_rollback=True):
        add_chat(conn, 1, "casas.txt", [Said(0, "from", "meu caso"), Said(HOUR, "from", "minha casa")])
        assert len(word_hits(conn, StreamScope("customer", 1), "casa", limit=9)) == 2  # no word is known yet
        conn.execute("INSERT INTO search_words (word) VALUES ('cas') ON CONFLICT DO NOTHING")
        (hit,) = word_hits(conn, StreamScope("customer", 1), "casa", limit=9)
        (message,) = messages_around(conn, StreamScope("customer", 1), hit.place, before=0, after=1)
        assert message.text == "minha casa"


def test_a_copy_leads_to_the_message_that_is_shown(conn: Connection, ids: Ids) -> None:
    """The address of a copy, in a later export or in the webhook, leads to the message that pages show."""
    with conn.transaction(force_rollback=True):
        copy = add_chat(conn, 1, "cópia.txt", [Said(0, "from", "a1 tela"), Said(HOUR, "from", "w3")])
        first, second = (
            one(conn, "SELECT id FROM chat_messages WHERE id_chat_file = %s AND ordinal = %s", chat, ordinal)
            for chat, ordinal in ((ids.export, 1), (copy, 1))
        )
        conn.execute("UPDATE chat_messages SET duplicate_of = %s WHERE id = %s", (first, second))
        found = locate_message(conn, "chat", second)
        assert found is not None
        assert (found.message_id, found.id_chat_file) == (first, ids.export)
        # The export holds the live conversation's last message, too.
        live = "SELECT id FROM conversation_messages WHERE conversation_id = %s AND text LIKE %s"
        exported = one(conn, "SELECT id FROM chat_messages WHERE id_chat_file = %s AND ordinal = 2", copy)
        conn.execute("UPDATE chat_files SET phone_key = '4190000001' WHERE id = %s", (copy,))
        conn.execute(
            "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, phone_key,"
            " conversation_id) VALUES ('1', '5541990000001', 'wa:554190000001', 'wa_id', '4190000001', %s)",
            (ids.live,),
        )
        found = locate_message(conn, "webhook", one(conn, live, ids.live, "w3%"))
        assert found is not None
        assert (found.source, found.message_id) == ("chat", exported)
        found = locate_message(conn, "webhook", one(conn, live, ids.live, "w2%"))
        assert found is not None
        assert (found.source, found.conversation_id) == ("webhook", ids.live)


@pytest.mark.parametrize(("kind", "expected"), [("image", ["ana 1.txt", "cópia.txt"]), ("deleted", None)])
def test_an_attachment_is_looked_for_beside_each_file_that_holds_its_message(
    conn: Connection, ids: Ids, kind: str, expected: list[str] | None
) -> None:
    with conn.transaction(force_rollback=True):
        copy = add_chat(conn, 1, "cópia.txt", [Said(0, "from", "a1 tela")])
        message = one(
            conn,
            "UPDATE chat_messages SET attachment_name = 'IMG-1.jpg', type = %s"
            " WHERE id_chat_file = %s AND ordinal = 1 RETURNING id",
            kind,
            ids.export,
        )
        conn.execute("UPDATE chat_messages SET duplicate_of = %s WHERE id_chat_file = %s", (message, copy))
        found = attachment_of(conn, message)
        if expected is None:
            assert found is None
        else:
            assert found == ("IMG-1.jpg", expected, 1, ids.export)
        assert attachment_of(conn, message + 1) is None  # it names none


@pytest.mark.parametrize(
    ("status", "customer"),
    [
        ("linked", (1, "Ana Lima")),
        ("manual", (1, "Ana Lima")),
        ("proposed", (None, None)),
        ("unmatched", (None, None)),
    ],
)
def test_the_head_of_a_conversation_names_the_customer_whose_link_is_in_force(
    conn: Connection, ids: Ids, status: str, customer: tuple[int | None, str | None]
) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute("UPDATE chat_files SET match_status = %s, match_confidence = 0.75", (status,))
        conn.execute(
            "UPDATE conversations SET match_status = %s, match_confidence = 0.5, profile_name = 'Aninha'",
            (status,),
        )
        conn.execute(
            "UPDATE chat_messages m SET duplicate_of = o.id FROM chat_messages o"
            " WHERE m.id_chat_file = %s AND m.ordinal = 1 AND o.id_chat_file = %s AND o.ordinal = 1",
            (ids.export, ids.later_export),
        )
        chat = chat_head(conn, StreamScope("chat", ids.export))
        live = chat_head(conn, StreamScope("webhook", ids.live))
        assert chat is not None
        assert (chat.id, chat.name, chat.id_contato, chat.nome) == (ids.export, "ana 1.txt", *customer)
        assert chat[4:] == (status, 0.75, None, 1, "2025-01", "loaded")
        assert live is not None
        assert (live.id, live.name, live.id_contato, live.nome) == (ids.live, "Aninha", *customer)
        assert live[4:] == (status, 0.5, None, 0, None, None)
    assert chat_head(conn, StreamScope("chat", 10**9)) is None
    assert chat_head(conn, StreamScope("webhook", 10**9)) is None
