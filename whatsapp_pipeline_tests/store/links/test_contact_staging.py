"""What linking reads of chats and contacts, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import contact_links as store
from whatsapp_pipeline.store.links import overrides
from whatsapp_pipeline.store.links.contact_links import StagedChat
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order

MONTH = "2025-01"
PHONE = "+55 41 99999-0001"


@pytest.fixture
def empty(database_url: str) -> Iterator[Connection]:
    """The module's database in a transaction that is taken back, for staging needs one."""
    with connect(database_url) as conn, conn.transaction(force_rollback=True):
        yield conn


def test_a_chat_is_staged_with_all_its_evidence(empty: Connection) -> None:
    sessions = (
        Session(date(2025, 1, 10), ["30009", "30001"], ["tv"]),
        Session(date(2025, 1, 12), ["30001"], ["lg", "tv"]),
    )
    full = add_chat(empty, f"{PHONE} Ana OS 30005 notebook", sessions=sessions)
    for raw, key, kind, times in (
        ("seldom", "4199990009", "mobile", 1),
        ("b often", "4199990002", "mobile", 5),
        ("a often", "4199990003", "fixed", 5),
        ("service", "4199990004", "service", 9),
        ("lid", "lid:1", "lid", 9),
        ("unread", None, "mobile", 9),
    ):
        empty.execute(
            "INSERT INTO chat_phones (id_chat_file, raw, key, kind, occurrences) VALUES (%s, %s, %s, %s, %s)",
            (full, raw, key, kind, times),
        )
    bare = add_chat(empty, "Bia", path="b")
    empty.execute(
        "UPDATE chat_files SET title = NULL, first_message_at = NULL, last_message_at = NULL,"
        " file_date = '2025-01-20' WHERE id = %s",
        (bare,),
    )
    group = add_chat(empty, "Grupo", path="g", is_group=True, headers=((PHONE, "4199990001"),))
    empty.execute("UPDATE chat_files SET last_message_at = '2025-01-13 10:00' WHERE id = %s", (full,))
    gone = add_chat(empty, "Carla", path="c")
    empty.execute("UPDATE chat_files SET processing_status = 'vanished' WHERE id = %s", (gone,))
    other = add_chat(empty, "Davi", path="d", month="2025-02")
    staged = store.stage_month_chats(empty, MONTH)
    assert staged == [
        StagedChat(
            id=full,
            title=f"{PHONE} Ana OS 30005 notebook",
            phone_number=PHONE,
            phone_key="4199990001",
            name="Ana",
            order_reference="30005",
            devices=["notebook"],
            is_group=False,
            first_day=date(2025, 1, 10),
            last_day=date(2025, 1, 13),
            # The most frequent first; services and unread ones name nobody.
            header_keys=["4199990003", "4199990002", "4199990009"],
            seen_devices=["lg", "tv"],
            order_numbers=["30001", "30009"],
        ),
        StagedChat(
            bare, "", None, None, "Bia", None, [], False, date(2025, 1, 20), date(2025, 1, 20), [], [], []
        ),
        staged[2],
    ]
    assert (staged[2].id, staged[2].is_group, staged[2].header_keys) == (group, True, [])
    chosen = store.stage_chats(empty, [other, bare, gone, 10**9])
    assert [chat.id for chat in chosen] == [bare, other]


def test_a_title_alone_is_staged_as_a_chat(empty: Connection) -> None:
    values: dict[str, Any] = {
        "title": "Ana 99999-0001",
        "phone_number": "99999-0001",
        "phone_key": "xx99990001",
        "name": "Ana",
        "order_reference": "30001",
        "devices": ["tv"],
        "day": date(2025, 1, 10),
    }
    day = values["day"]
    assert store.stage_title(empty, values) == StagedChat(
        0, "Ana 99999-0001", "99999-0001", "xx99990001", "Ana", "30001", ["tv"], False, day, day, [], [], []
    )


# The key of a chat, the key and kind of a contact's phone, and what is known of the area, or no hit.
HITS: list[tuple[str, str, str, str | None]] = [
    ("4199990001", "4199990001", "mobile", "written"),
    (
        "4199990001",
        "4199990001",
        "unknown_area",
        "assumed",
    ),  # the default area was assumed, and is the chat's
    ("4199990001", "1199990001", "mobile", None),
    ("4199990001", "1199990001", "unknown_area", "unknown"),  # another one was assumed
    ("4199990001", "xx99990001", "unknown_area", "unknown"),
    ("4199990001", "4199990002", "mobile", None),
    ("4199990001", "xx99990002", "unknown_area", None),
    ("xx99990001", "4199990001", "mobile", "unknown"),
    ("xx99990001", "4199990001", "fixed", "unknown"),
    ("xx99990001", "xx99990001", "unknown_area", "unknown"),
    ("xx99990001", "+351199990001", "foreign", None),
    ("xx99990001", "lid:99990001", "lid", None),
    ("xx99990001", "4199990002", "mobile", None),
    ("+14155550100", "+14155550100", "foreign", "written"),
    ("+14155550100", "xx55550100", "unknown_area", None),
    ("+14155550100", "4155550100", "unknown_area", None),
    ("lid:77", "lid:77", "lid", "written"),
]


@pytest.mark.parametrize("source", ["title", "header"])
@pytest.mark.parametrize(("asked", "key", "kind", "area"), HITS)
def test_a_phone_fits_by_its_key_and_else_by_its_last_eight_digits(
    empty: Connection, source: str, asked: str, key: str, kind: str, area: str | None
) -> None:
    add_contact(empty, 1, "Ana")
    for contact, field in ((1, "celular"), (99, "celular")):  # 99 was deleted since
        empty.execute(
            "INSERT INTO contact_phones (id_contato, field, position, key, kind, had_ninth_digit)"
            " VALUES (%s, %s, 1, %s, %s, true)",
            (contact, field, key, kind),
        )
    if source == "title":
        chat = add_chat(empty, "x")
        empty.execute("UPDATE chat_files SET phone_key = %s", (asked,))
    else:
        chat = add_chat(empty, "x", headers=(("a", asked), ("b", "4100000000")))
    store.stage_month_chats(empty, MONTH)
    expected = [] if area is None else [(chat, source, 1, "celular", area, True)]
    assert store.phone_hits(empty) == expected
    empty.execute("UPDATE linking SET is_group = true")
    assert store.phone_hits(empty) == []


def test_the_first_phone_inside_counts_beside_another_one_of_the_title(empty: Connection) -> None:
    for number, key in ((1, "4199990001"), (2, "4199990002"), (3, "4199990003")):
        add_contact(empty, number)
        empty.execute(
            "INSERT INTO contact_phones (id_contato, field, position, key, kind)"
            " VALUES (%s, 'telefone', 1, %s, 'mobile')",
            (number, key),
        )
    same = add_chat(empty, PHONE, path="a", headers=(("x", "4199990001"), ("y", "4199990002")))
    other = add_chat(empty, PHONE, path="b", headers=(("x", "4199990002"), ("y", "4199990003")))
    store.stage_month_chats(empty, MONTH)
    assert [hit[:3] for hit in store.phone_hits(empty)] == [
        (same, "title", 1),
        (other, "header", 2),
        (other, "title", 1),
    ]


def test_an_order_is_found_by_its_number_and_in_a_title_by_its_id(empty: Connection) -> None:
    for number in (1, 2, 3, 4):
        add_contact(empty, number)
    add_order(empty, 500, 1, number="30001")
    add_order(empty, 501, 2, number="0030001")
    add_order(empty, 30001, 3, number="7")
    add_order(empty, 502, 99, number="30001")  # its contact is not in the table
    add_order(empty, 503, 4, number="")
    titled = add_chat(empty, "OS 030001", path="a")
    said = add_chat(empty, "Ana", path="b", sessions=(Session(order_numbers=["30001"]),))
    zeros = add_chat(empty, "x", path="c")
    empty.execute("UPDATE chat_files SET reference_os = '000' WHERE id = %s", (zeros,))
    long = add_chat(empty, "x", path="d")
    empty.execute("UPDATE chat_files SET reference_os = '99999999999999999999' WHERE id = %s", (long,))
    store.stage_month_chats(empty, MONTH)
    found = [
        (hit.id_chat_file, hit.id_ordem_servico, hit.source, hit.by_id) for hit in store.order_hits(empty)
    ]
    assert found == [
        (titled, 500, "title", False),
        (titled, 501, "title", False),
        (titled, 30001, "title", True),
        (said, 500, "messages", False),
        (said, 501, "messages", False),
    ]
    assert [hit.id_contato for hit in store.order_hits(empty)][:3] == [1, 2, 3]
    empty.execute("UPDATE linking SET is_group = true")
    assert store.order_hits(empty) == []


def test_decisions_are_staged_with_the_chats_that_they_are_about(empty: Connection) -> None:
    add_contact(empty, 1)
    add_order(empty, 5, 1)
    phoned = add_chat(empty, PHONE, path="a")
    headed = add_chat(empty, "Loja", path="b", headers=((PHONE, "4199990001"),))
    grouped = add_chat(empty, "Grupo", path="c", is_group=True, headers=((PHONE, "4199990001"),))
    titled = add_chat(empty, "Ana Lima", path="d")
    second = add_chat(empty, "Outra", path="e")
    empty.execute("UPDATE chat_files SET file_path = 'd', chat_number = 2 WHERE id = %s", (second,))
    new = overrides.NewOverride("phone", PHONE, "contact", 1, "why", "me")
    phone = overrides.insert_override(empty, new)
    title = overrides.insert_override(empty, new._replace(target_kind="title", target="ana LIMA", id=1))
    whole = overrides.insert_override(
        empty, new._replace(target_kind="file", target="d", decision="no_contact", id=None)
    )
    one = overrides.insert_override(
        empty, new._replace(target_kind="file", target="d", decision="not_contact", chat_number=2)
    )
    overrides.insert_override(empty, new._replace(target_kind="file", target="d", decision="order", id=5))
    gone = overrides.insert_override(empty, new._replace(target_kind="title", target="Grupo"))
    overrides.withdraw_override(empty, gone, reason="x", removed_by="me")
    store.stage_month_chats(empty, MONTH)
    found = overrides.about_staged(empty, "links/link_overrides_for")
    assert {chat: [decision.id for decision in about] for chat, about in found.items()} == {
        phoned: [phone],
        headed: [phone],
        titled: [title, whole],
        second: [whole, one],
    }
    assert grouped not in found
    decisions = {decision.id: decision for about in found.values() for decision in about}
    assert {id_: (d.scope, d.target, d.refuses, d.of_chat) for id_, d in decisions.items()} == {
        phone: ("phone", 1, False, False),
        title: ("title", 1, False, False),
        whole: ("file", None, False, False),
        one: ("file", 1, True, True),
    }
    assert all(
        (d.reason, d.made_by, d.deleted, d.of_session) == ("why", "me", False, False)
        for d in decisions.values()
    )
    empty.execute("DELETE FROM contatos")
    deleted = overrides.about_staged(empty, "links/link_overrides_for")
    assert {d.id for about in deleted.values() for d in about if d.deleted} == {phone, title, one}


def decision(chat: int, contact: int | None = 1, **more: Any) -> DecisionRow:
    status = "linked" if contact else "unmatched"
    return DecisionRow(chat, status, "exact_phone", 0.9, contact, ["x"])._replace(**more)


def test_only_what_differs_is_written(empty: Connection) -> None:
    add_contact(empty, 1)
    add_contact(empty, 2)
    first, second = add_chat(empty, "a", path="a"), add_chat(empty, "b", path="b")
    empty.execute("UPDATE chat_files SET processing_status = 'loaded' WHERE id = %s", (second,))
    listed = [CandidateRow(first, 1, 1, 0.9, "m", '["x"]'), CandidateRow(first, 2, 2, 0.1, "m", "[]")]
    rows = [decision(first), decision(second, 2)]
    assert store.write_chat_links(empty, rows, listed) == {"chats": 2, "candidates": 2}
    assert store.write_chat_links(empty, rows, listed) == {"chats": 0, "candidates": 0}
    status = "SELECT processing_status FROM chat_files ORDER BY id"
    assert empty.execute(status).fetchall() == [("linked",), ("loaded",)]
    assert store.stored_candidates(empty, [first, second]) == listed
    changes: list[dict[str, Any]] = [
        {"status": "proposed", "target": None},
        {"method": "name"},
        {"confidence": 0.8},
        {"target": 2},
        {"flags": []},
    ]
    for change in changes:
        with empty.transaction(force_rollback=True):
            changed = store.write_chat_links(empty, [rows[0]._replace(**change), rows[1]], listed)
            assert changed == {"chats": 1, "candidates": 0}, change
            found = empty.execute(
                "SELECT match_status, match_method, match_confidence, id_contato, match_flags FROM chat_files"
                " WHERE id = %s",
                (first,),
            ).fetchone()
            assert found == rows[0]._replace(**change)[1:]
    with empty.transaction(force_rollback=True):  # a chat that waits is linked, though its link is right
        empty.execute("UPDATE chat_files SET processing_status = 'pending' WHERE id = %s", (first,))
        assert store.write_chat_links(empty, rows, listed)["chats"] == 1
    changes = [{"target": 2}, {"confidence": 0.5}, {"method": "n"}, {"evidence": "[]"}]
    for change in changes:
        with empty.transaction(force_rollback=True):
            new = [listed[0]._replace(**change), listed[1]]
            assert store.write_chat_links(empty, rows, new) == {"chats": 0, "candidates": 1}
            assert store.stored_candidates(empty, [first]) == new
    assert store.write_chat_links(empty, rows[1:], []) == {"chats": 0, "candidates": 0}  # not about the first
    assert store.write_chat_links(empty, rows, listed[:1]) == {"chats": 0, "candidates": 1}
    assert store.stored_candidates(empty, [first]) == listed[:1]


def test_a_chat_that_a_person_gave_to_nobody_stays_decided(empty: Connection) -> None:
    """The trigger that notes a deleted contact must not take it for one."""
    add_contact(empty, 1)
    chat = add_chat(empty, "a")
    store.write_chat_links(empty, [decision(chat, 1, status="manual")], [])
    store.write_chat_links(empty, [decision(chat, None, status="manual")], [])
    found = empty.execute("SELECT match_status, id_contato, match_flags FROM chat_files").fetchone()
    assert found == ("manual", None, ["x"])


def test_names_and_devices_of_contacts(empty: Connection) -> None:
    empty.execute(
        "INSERT INTO contatos (id, nome, fantasia) VALUES (1, 'Ana', NULL), (2, NULL, 'Loja'), (3, 'x', 'y')"
    )
    assert store.names_of_contacts(empty, [2, 1, 1, 9]) == {1: ("Ana", ""), 2: ("", "Loja")}
    add_order(empty, 6, 1, opened=date(2025, 1, 2), closed=date(2025, 1, 3), equipment="TV")
    add_order(empty, 5, 1, opened=date(2025, 1, 1))
    add_order(empty, 7, 3, equipment="x")
    empty.execute("UPDATE ordens_servico SET linha_dispositivo = 'LG' WHERE id = 6")
    assert store.order_texts(empty, [1, 2]) == [
        (1, "", date(2025, 1, 1), None),
        (1, "TV LG", date(2025, 1, 2), date(2025, 1, 3)),
    ]


def test_the_links_of_a_month_are_counted(empty: Connection) -> None:
    add_contact(empty, 1)
    chats = [add_chat(empty, "a", path=str(number)) for number in range(4)]
    add_chat(empty, "a", path="5", month="2025-02")
    store.write_chat_links(empty, [decision(chat) for chat in chats[:2]], [])
    empty.execute("UPDATE chat_files SET processing_status = 'vanished' WHERE id = %s", (chats[3],))
    assert sorted(store.tally_chats(empty, MONTH)) == [
        ("linked", "exact_phone", True, ["x"], 2),
        ("pending", None, False, [], 1),
    ]
