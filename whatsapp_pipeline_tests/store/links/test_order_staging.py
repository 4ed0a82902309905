"""What linking reads of sessions and orders, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from whatsapp_pipeline.cli.choices import choose_order
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import order_links as store
from whatsapp_pipeline.store.links import overrides
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow
from whatsapp_pipeline.store.links.order_links import OrderRow, SessionRow
from whatsapp_pipeline.store.links.order_lookup import find_orders
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order

MONTH = "2025-01"
PHONE = "+55 41 99999-0001"
DAY = date(2025, 1, 10)
SESSION = Session(DAY, ["30001"], ["tv"], ["opening"])


@pytest.fixture
def empty(database_url: str) -> Iterator[Connection]:
    """The module's database in a transaction that is taken back, for staging needs one."""
    with connect(database_url) as conn, conn.transaction(force_rollback=True):
        add_contact(conn, 1)
        add_contact(conn, 2)
        yield conn


def link(conn: Connection, chat: int, contact: int | None, status: str = "linked") -> None:
    conn.execute(
        "UPDATE chat_files SET id_contato = %s, match_status = %s WHERE id = %s", (contact, status, chat)
    )


def propose(conn: Connection, chat: int, contact: int, rank: int, confidence: float) -> None:
    conn.execute(
        "INSERT INTO match_candidates VALUES (%s, %s, %s, %s, 'm', '[]')", (chat, rank, contact, confidence)
    )


def session_ids(conn: Connection, chat: int) -> list[int]:
    rows = conn.execute("SELECT id FROM chat_sessions WHERE id_chat_file = %s ORDER BY number", (chat,))
    return [id_ for (id_,) in rows]


def test_a_session_is_staged_with_the_contact_of_its_chat(empty: Connection) -> None:
    linked = add_chat(empty, f"{PHONE} OS 030005 notebook", path="a", sessions=(SESSION, Session(DAY)))
    link(empty, linked, 1)
    propose(empty, linked, 2, 1, 0.3)  # a candidate of a link has no say
    proposed = add_chat(empty, "Ana", path="b", sessions=(Session(date(2025, 1, 31)),))
    link(empty, proposed, None, "proposed")
    propose(empty, proposed, 2, 1, 0.6)
    propose(empty, proposed, 1, 2, 0.3)
    torn = add_chat(empty, "Bia", path="c", sessions=(SESSION,))
    link(empty, torn, None, "ambiguous")
    propose(empty, torn, 2, 1, 0.5)
    for path, month, status in (("d", MONTH, "vanished"), ("e", "2025-02", "pending")):
        other = add_chat(empty, "x", path=path, month=month, sessions=(SESSION,))
        empty.execute("UPDATE chat_files SET processing_status = %s WHERE id = %s", (status, other))
    empty.execute("UPDATE chat_files SET reference_os = '000' WHERE id = %s", (torn,))
    first, second = session_ids(empty, linked)
    (third,), (fourth,) = session_ids(empty, proposed), session_ids(empty, torn)
    last = date(2025, 1, 31)
    assert store.stage_month_sessions(empty, MONTH) == [
        SessionRow(first, linked, 1, DAY, DAY, ["30001"], ["tv"], ["opening"], 1, 1, "30005", ["notebook"]),
        SessionRow(second, linked, 2, DAY, DAY, [], [], [], 1, 1, "30005", ["notebook"]),
        SessionRow(third, proposed, 1, last, last, [], [], [], 2, 0.6, None, []),
        SessionRow(fourth, torn, 1, DAY, DAY, ["30001"], ["tv"], ["opening"], None, None, None, []),
    ]


def test_orders_come_by_contact_and_by_the_number_or_id_that_is_named(empty: Connection) -> None:
    chat = add_chat(empty, "OS 30005", sessions=(Session(DAY, ["30001", "999999999999"]),))
    link(empty, chat, 1)
    add_order(empty, 10, 1, number="0044", opened=DAY, closed=date(2025, 1, 12), equipment="TV")
    empty.execute("UPDATE ordens_servico SET linha_dispositivo = 'LG' WHERE id = 10")
    add_order(empty, 11, 2, number="030001")
    add_order(empty, 12, 2, number="30005")
    add_order(empty, 30001, 2, number="1")
    add_order(empty, 30005, 2, number="2")
    add_order(empty, 13, 2, number="3")
    add_order(empty, 14, 1, number="9")
    empty.execute("UPDATE ordens_servico SET numero_ordem_servico = NULL WHERE id = 14")
    store.stage_month_sessions(empty, MONTH)
    found = store.candidate_orders(empty)
    assert [order.id for order in found] == [10, 11, 12, 14, 30001, 30005]
    assert found[0] == OrderRow(10, "44", 1, DAY, date(2025, 1, 12), "TV LG")
    assert (found[1].number, found[3].number) == ("30001", "")
    about = store.orders_about(empty, 1, ["30001", "99999999999"])
    assert [order.id for order in about] == [10, 11, 14, 30001]
    assert about[0] == found[0]
    assert [order.id for order in store.orders_about(empty, None, ["3"])] == [13]
    assert store.orders_about(empty, None, []) == []
    assert [order.id for order in store.orders_of(empty, [2])] == [11, 12, 13, 30001, 30005]
    assert store.orders_of(empty, [1])[0] == found[0]


def test_the_past_is_each_session_of_a_known_contact_once(empty: Connection) -> None:
    first = add_chat(empty, f"{PHONE} OS 030007", path="a", sessions=(SESSION, Session(date(2025, 1, 20))))
    again = add_chat(empty, PHONE, path="b", month="2025-02", sessions=(SESSION,))
    gone = add_chat(empty, PHONE, path="c", sessions=(Session(date(2024, 1, 1)),))
    other = add_chat(empty, "Bia", path="d", sessions=(Session(date(2025, 1, 11)),))
    nobody = add_chat(empty, "x", path="e", sessions=(Session(date(2025, 1, 12)),))
    for chat, contact in ((first, 1), (again, 1), (gone, 1), (other, 2)):
        link(empty, chat, contact)
    empty.execute("UPDATE chat_files SET processing_status = 'vanished' WHERE id = %s", (gone,))
    link(empty, nobody, None, "unmatched")
    before = date(2025, 1, 20)
    assert store.past_sessions(empty, every=1, before=before) == []  # nobody has an order
    assert store.linked_sessions(empty, before=before) == 0
    add_order(empty, 10, 1)
    add_order(empty, 11, 2)
    empty.execute("UPDATE ordens_servico SET data_emissao = NULL WHERE id = 11")
    (kept, later) = session_ids(empty, first)
    found = store.past_sessions(empty, every=1, before=before)
    assert found == [
        SessionRow(kept, first, 1, DAY, DAY, ["30001"], ["tv"], ["opening"], 1, 1.0, "30007", [])
    ]
    assert store.linked_sessions(empty, before=before) == 2  # both exports of it
    after = store.past_sessions(empty, every=1, before=date(2025, 1, 21))
    assert [row.id for row in after] == [kept, later]
    empty.execute("UPDATE ordens_servico SET data_emissao = '2025-01-01' WHERE id = 11")
    assert {row.id_contato for row in store.past_sessions(empty, every=1, before=before)} == {1, 2}
    assert {row.id_contato for row in store.past_sessions(empty, every=2, before=before)} == {2}
    assert store.span(empty, before=before) == (DAY, date(2025, 1, 12))
    assert store.span(empty, before=DAY) is None


@pytest.mark.parametrize(
    ("match", "processing", "waits"),
    [
        ("pending", "pending", True),
        ("pending", "loaded", True),
        ("pending", "failed", False),
        ("pending", "vanished", False),
        ("unmatched", "linked", False),
    ],
)
def test_a_chat_that_was_not_linked_yet_is_waited_for(
    empty: Connection, match: str, processing: str, waits: bool
) -> None:
    chat = add_chat(empty, "x")
    link(empty, chat, None, match)
    empty.execute("UPDATE chat_files SET processing_status = %s", (processing,))
    assert store.has_unlinked_chats(empty) is waits


def test_a_few_wrong_clocks_do_not_stretch_the_days_that_were_seen(empty: Connection) -> None:
    chat = add_chat(empty, "x")
    empty.execute(
        "INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count)"
        " SELECT %s, n, t, t, 1 FROM (SELECT n, CASE n WHEN 1 THEN '1970-01-01'::timestamp WHEN 2000"
        " THEN '2024-12-31' ELSE '2023-01-01'::timestamp + n * interval '1 hour' END AS t"
        " FROM generate_series(1, 2000) n) s",
        (chat,),
    )
    assert store.span(empty, before=date(2025, 1, 1)) == (date(2023, 1, 1), date(2023, 3, 25))


def test_decisions_on_orders_are_staged_with_their_sessions(empty: Connection) -> None:
    add_order(empty, 10, 1)
    two = (Session(DAY), Session(date(2025, 1, 20)))
    phoned = session_ids(empty, add_chat(empty, PHONE, path="a", sessions=two))
    header = add_chat(empty, "Loja", path="b", sessions=two[:1])
    for raw, key, kind, times in (
        ("rare", "4199990002", "mobile", 1),
        ("often", "4199990001", "mobile", 5),
        ("service", "4199990002", "service", 9),
        ("lid", "lid:1", "lid", 9),
        ("unread", None, "mobile", 9),
    ):
        empty.execute(
            "INSERT INTO chat_phones (id_chat_file, raw, key, kind, occurrences) VALUES (%s, %s, %s, %s, %s)",
            (header, raw, key, kind, times),
        )
    (headed,) = session_ids(empty, header)
    add_chat(empty, PHONE, path="c", is_group=True, sessions=two[:1])
    (titled,) = session_ids(empty, add_chat(empty, "Ana Lima", path="d", sessions=two[:1]))
    combined = add_chat(empty, "Outra", path="e", sessions=two[:1])
    empty.execute("UPDATE chat_files SET file_path = 'd', chat_number = 2 WHERE id = %s", (combined,))
    (second,) = session_ids(empty, combined)
    new = overrides.NewOverride("phone", PHONE, "order", 10, "why", "me")
    made = [
        overrides.insert_override(empty, one)
        for one in (
            new,
            new._replace(target_kind="title", target="ana LIMA", decision="no_order", id=None),
            new._replace(target_kind="file", target="d"),
            new._replace(target_kind="file", target="d", decision="not_order", chat_number=2),
            new._replace(target_kind="file", target="a", decision="no_order", id=None, session_number=2),
        )
    ]
    overrides.insert_override(empty, new._replace(decision="contact", id=1))  # about no order
    gone = overrides.insert_override(empty, new._replace(target_kind="title", target="Loja"))
    overrides.withdraw_override(empty, gone, reason="x", removed_by="me")
    phone, title, whole, chat, session = made
    store.stage_month_sessions(empty, MONTH)
    found = overrides.about_staged(empty, "links/order_overrides_for")
    assert {id_: [decision.id for decision in about] for id_, about in found.items()} == {
        phoned[0]: [phone],
        phoned[1]: [phone, session],
        headed: [phone],
        titled: [title, whole],
        second: [whole, chat],
    }
    decisions = {decision.id: decision for about in found.values() for decision in about}
    assert {id_: (d.scope, d.target, d.refuses, d.of_session, d.of_chat) for id_, d in decisions.items()} == {
        phone: ("phone", 10, False, False, False),
        title: ("title", None, False, False, False),
        whole: ("file", 10, False, False, False),
        chat: ("file", 10, True, False, True),
        session: ("file", None, False, True, False),
    }
    assert {(d.reason, d.made_by, d.deleted) for d in decisions.values()} == {("why", "me", False)}
    empty.execute("DELETE FROM ordens_servico")
    deleted = overrides.about_staged(empty, "links/order_overrides_for")
    assert {d.id for about in deleted.values() for d in about if d.deleted} == {phone, whole, chat}


def decided(session: int, order: int | None, **more: Any) -> DecisionRow:
    row = DecisionRow(session, "linked" if order else "unmatched", "model" if order else None, 0.9, order, [])
    return row._replace(**more)


# What the title of a chat names, what its sessions are decided to be about (order, confidence, method), the
# candidates of its first session, and the order and method of the chat.
FILES: dict[str, tuple[str, list[DecisionRow], list[int], tuple[int | None, str | None]]] = {
    "one session": ("", [decided(1, 10)], [], (10, "model")),
    "none": ("", [decided(1, None)], [], (None, None)),
    "two agree, the surer one says how": (
        "",
        [decided(1, 10, confidence=0.6), decided(2, 10, method="equipment_match")],
        [],
        (10, "equipment_match"),
    ),
    "one of two is linked": ("", [decided(1, 10), decided(2, None, confidence=0.99)], [], (10, "model")),
    "two disagree": ("", [decided(1, 10), decided(2, 11)], [], (None, None)),
    "the title chooses between two": (
        "OS 30011",
        [decided(1, 10), decided(2, 11)],
        [],
        (11, "direct_os_ref"),
    ),
    "the title names a third": ("OS 30012", [decided(1, 10), decided(2, 11)], [], (None, None)),
    "the title names another": ("OS 30012", [decided(1, 10)], [], (10, "model")),
    "the title names the same": ("OS 30010", [decided(1, 10)], [], (10, "direct_os_ref")),
    "the title alone, a candidate": ("OS 30012", [decided(1, None)], [12], (12, "direct_os_ref")),
    "the title alone, no candidate": ("OS 30012", [decided(1, None)], [11], (None, None)),
    "the title names another contact's": ("OS 30020", [decided(1, None)], [20], (None, None)),
    "a person decided": (
        "OS 30011",
        [decided(1, 10, status="manual"), decided(2, None)],
        [],
        (10, "override"),
    ),
    "a person decided for none": (
        "OS 30011",
        [decided(1, None, status="manual"), decided(2, 11)],
        [],
        (11, "override"),
    ),
}


@pytest.mark.parametrize("case", FILES.values(), ids=FILES)
def test_a_chat_has_the_order_that_its_sessions_agree_on(
    empty: Connection, case: tuple[str, list[DecisionRow], list[int], tuple[int | None, str | None]]
) -> None:
    title, rows, listed, expected = case
    for id_, contact in ((10, 1), (11, 1), (12, 1), (20, 2)):
        add_order(empty, id_, contact)
    days = tuple(Session(date(2025, 1, 1 + 9 * number)) for number in range(len(rows)))
    other = add_chat(empty, "Bia", path="b", sessions=(Session(DAY),))
    chat = add_chat(empty, f"{PHONE} {title}", path="a", sessions=days)
    for number in (chat, other):
        link(empty, number, 1)
    ids = session_ids(empty, chat)
    store.stage_month_sessions(empty, MONTH)
    written = [row._replace(id=ids[row.id - 1]) for row in rows] + [decided(session_ids(empty, other)[0], 12)]
    candidates = [CandidateRow(ids[0], rank, order, 0.5, "m", "[]") for rank, order in enumerate(listed, 1)]
    changed = store.write_session_links(empty, written, candidates)
    assert changed["candidates"] == len(listed)
    assert changed["files"] == (1 if expected == (None, None) else 2)
    found = empty.execute("SELECT id, id_ordem_servico, order_match_method FROM chat_files").fetchall()
    assert sorted(found) == sorted([(chat, *expected), (other, 12, "model")])
    again = store.write_session_links(empty, written, candidates)
    assert again == {"sessions": 0, "candidates": 0, "files": 0}


def test_only_a_session_that_differs_is_written(empty: Connection) -> None:
    for id_ in (10, 11):
        add_order(empty, id_, 1)
    chat = add_chat(empty, PHONE, sessions=(Session(DAY), Session(date(2025, 1, 20))))
    link(empty, chat, 1)
    first, second = session_ids(empty, chat)
    store.stage_month_sessions(empty, MONTH)
    rows = [decided(first, 10), decided(second, 10)]
    assert store.write_session_links(empty, rows, [])["sessions"] == 2
    changes: list[dict[str, Any]] = [
        {"status": "proposed", "target": None},
        {"method": "x"},
        {"confidence": 0.7},
        {"target": 11},
        {"flags": ["f"]},
    ]
    for change in changes:
        with empty.transaction(force_rollback=True):
            new = rows[0]._replace(**change)
            assert store.write_session_links(empty, [new, rows[1]], [])["sessions"] == 1, change
            found = empty.execute(
                "SELECT id, order_match_status, order_match_method, order_match_confidence, id_ordem_servico,"
                " order_flags FROM chat_sessions WHERE id = %s",
                (first,),
            ).fetchone()
            assert found == new


def test_a_session_that_a_person_gave_to_no_order_stays_decided(empty: Connection) -> None:
    """The trigger that notes a deleted order must not take it for one."""
    add_order(empty, 10, 1)
    chat = add_chat(empty, PHONE, sessions=(Session(DAY),))
    link(empty, chat, 1)
    (session,) = session_ids(empty, chat)
    store.stage_month_sessions(empty, MONTH)
    store.write_session_links(empty, [decided(session, 10, status="manual")], [])
    store.write_session_links(empty, [decided(session, None, status="manual")], [])
    row = empty.execute(
        "SELECT order_match_status, id_ordem_servico, order_flags FROM chat_sessions"
    ).fetchone()
    assert row == ("manual", None, [])
    row = empty.execute("SELECT id_ordem_servico, order_match_method FROM chat_files").fetchone()
    assert row == (None, "override")


def test_the_sessions_of_a_month_are_counted(empty: Connection) -> None:
    add_order(empty, 10, 1)
    chat = add_chat(
        empty, PHONE, sessions=(Session(DAY), Session(date(2025, 1, 20)), Session(date(2025, 1, 30)))
    )
    add_chat(empty, PHONE, path="b", month="2025-02", sessions=(Session(DAY),))
    gone = add_chat(empty, PHONE, path="c", sessions=(Session(DAY),))
    empty.execute("UPDATE chat_files SET processing_status = 'vanished' WHERE id = %s", (gone,))
    ids = session_ids(empty, chat)
    store.stage_month_sessions(empty, MONTH)
    store.write_session_links(empty, [decided(ids[0], 10), decided(ids[1], 10)], [])
    assert sorted(store.tally_sessions(empty, MONTH)) == [
        ("linked", "model", True, [], 2),
        ("pending", None, False, [], 1),
    ]


def test_an_order_is_found_as_people_type_it(empty: Connection) -> None:
    add_order(empty, 500, 1, number="0030001", opened=date(2025, 1, 1), equipment="TV")
    add_order(empty, 501, 2, number="30001", opened=date(2025, 1, 5))
    add_order(empty, 502, 2, number="30001", opened=date(2025, 1, 5))
    add_order(empty, 503, 2, number="500")
    empty.execute("UPDATE ordens_servico SET situacao = '3' WHERE id = 500")
    assert find_orders(empty, " # 500 ") == [(500, "0030001", 1, date(2025, 1, 1), "3", "TV")]  # an id first
    assert [order.id for order in find_orders(empty, "030001")] == [502, 501, 500]  # the newest first
    assert [order.id for order in find_orders(empty, "#30001")] == [502, 501, 500]
    assert find_orders(empty, "9" * 19) == []
    assert find_orders(empty, "x") == []
    empty.execute("UPDATE ordens_servico SET data_emissao = NULL, situacao = NULL WHERE id = 502")
    assert [order.id for order in find_orders(empty, "30001")] == [501, 500, 502]
    assert find_orders(empty, "30001")[2][2:] == (2, None, "", "")


def test_an_order_of_no_contact_is_listed_without_empty_fields(
    empty: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    add_order(empty, 500, 1, number="30001", opened=date(2025, 1, 1), equipment="TV")
    add_order(empty, 501, 1, number="30001")
    empty.execute("UPDATE ordens_servico SET id_contato = NULL, data_emissao = NULL WHERE id = 501")
    with pytest.raises(PipelineError, match="2 orders have the number 30001; give one of these ids"):
        choose_order(empty, "30001")
    assert capsys.readouterr().err.splitlines() == [
        "  1  id 500: number 30001, contact 1, 2025-01-01, TV",
        "  2  id 501: number 30001, no contact, no date",
    ]
