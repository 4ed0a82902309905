"""The phone key in SQL is the one in Python: plain SQL and the command line target the same chats."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import psycopg
import pytest

from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox import numbers
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinkOptions
from whatsapp_pipeline.steps.links.staleness import stale_months
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import overrides
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat, add_contact
from whatsapp_pipeline_tests.truth.linked_months import link_month, link_orders_month

LOG = logging.getLogger(__name__)


def test_the_key_in_sql_is_the_key_in_python(conn: Connection) -> None:
    rng = random.Random(5)
    typed = ["+1 415 555 0100", "+351 912 345 678"]
    typed += ["+52 1 55 1234 0678", "+52 55 1234 0678", "+54 9 11 4321 0678", "+54 11 4321 0678"]
    for _ in range(50):
        mobile = numbers.mobile(rng)
        short = numbers.without_ninth_digit(mobile)
        typed += [
            numbers.international(mobile),
            mobile,
            short,
            f"55{short}",
            f"0{mobile}",
            numbers.landline(rng),
        ]
    expected = [phone.key for text in typed if (phone := parse_phone(text)) is not None]
    rows = conn.execute(
        "SELECT phone_key(t) FROM unnest(%s::text[]) WITH ORDINALITY AS u(t, n) ORDER BY n", (typed,)
    )
    assert [row[0] for row in rows] == expected


@pytest.mark.parametrize("text", ["99999-0000", "190", "", "41 1999 0000 0"])
def test_a_phone_without_an_area_code_is_refused(conn: Connection, text: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        conn.execute("SELECT phone_key(%s)", (text,))


def test_a_refusal_names_the_rule_and_no_person(conn: Connection) -> None:
    new = overrides.NewOverride("title", "Maria", "contact", None, "why", "me")
    with pytest.raises(PipelineError, match="a contact decision names its contact"):
        overrides.insert_override(conn, new)
    with pytest.raises(PipelineError, match="there is no order with id 9"):
        overrides.insert_override(conn, new._replace(decision="order", id=9))


def test_a_decision_is_about_the_chats_that_linking_applies_it_to(conn: Connection) -> None:
    """By the phone in the title, by the one inside, by title, by place: counted, planned and linked alike."""
    add_contact(conn, 1, "Ana")
    add_chat(conn, "+55 41 99999-0001")
    add_chat(conn, "Ana da loja", headers=(("+55 41 99999-0001", "4199990001"),))
    add_chat(conn, "Grupo", headers=(("+55 41 99999-0001", "4199990001"),), is_group=True)
    add_chat(conn, "Outra pessoa", month="2025-02", path="2025/02/outra.txt")
    for month in ("2025-01", "2025-02", "2025-03"):
        link_month(conn, month, LinkOptions(), log=LOG)
        link_orders_month(conn, month, OrderLinkOptions(), log=LOG)
    new = overrides.NewOverride("phone", "+55 41 99999-0001", "contact", 1, "why", "me")
    by_phone = overrides.insert_override(conn, new)
    by_title = overrides.insert_override(conn, new._replace(target_kind="title", target=" outra  PESSOA"))
    assert overrides.chats_of(conn, by_phone) == [("2025-01", 2)]
    assert overrides.chats_of(conn, by_title) == [("2025-02", 1)]
    stale = dict(stale_months(conn, ["2025-01", "2025-02", "2025-03"], default_area_code=None))
    assert set(stale) == {"2025-01", "2025-02"}
    assert set(stale.values()) == {"overrides changed since it was linked"}
    for month, linked in (("2025-01", 2), ("2025-02", 1)):
        report = link_month(conn, month, LinkOptions(), log=LOG)
        assert report.by_status.get("manual") == linked


# Where a decision is made, and the chats that it is about by their paths.
SCOPES = [
    ("phone", "+55 41 99999-0001", None, {"a/ana.txt", "b/ana.txt", "b/header.txt"}),
    ("title", "  ANA  lima ", None, {"a/title.txt", "b/title.txt"}),
    ("file", "a/two.txt", None, {"a/two.txt#1", "a/two.txt#2"}),
    ("file", "a/two.txt", 2, {"a/two.txt#2"}),
    ("phone", "+55 41 99999-0002", None, set()),  # the service's number in a header, and a rarer one
    ("phone", "+55 41 99999-0003", None, set()),  # a group, and a deleted file
]


@pytest.fixture
def scoped(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        add_contact(conn, 1, "Ana")
        phone = "+55 41 99999-0001"
        add_chat(conn, phone, path="a/ana.txt")
        add_chat(conn, phone, path="b/ana.txt", month="2025-02")
        header = add_chat(
            conn, "Loja", path="b/header.txt", month="2025-02", headers=((phone, "4199990001"),)
        )
        for raw, key, kind, times in (
            ("service", "4199990002", "service", 90),
            ("lid", None, "lid", 80),
            ("rare", "4199990002", "mobile", 1),
        ):
            conn.execute(
                "INSERT INTO chat_phones (id_chat_file, raw, key, kind, occurrences)"
                " VALUES (%s, %s, %s, %s, %s)",
                (header, raw, key, kind, times),
            )
        add_chat(conn, "Ana Lima", path="a/title.txt")
        add_chat(conn, "ana lima", path="b/title.txt", month="2025-02")
        first, second = (add_chat(conn, name, path=f"a/two.txt{name}") for name in ("#1", "#2"))
        conn.execute("UPDATE chat_files SET file_path = 'a/two.txt' WHERE id = %s", (first,))
        conn.execute(
            "UPDATE chat_files SET file_path = 'a/two.txt', chat_number = 2, message_count = 7 WHERE id = %s",
            (second,),
        )
        add_chat(conn, "+55 41 99999-0003", path="a/group.txt", is_group=True)
        gone = add_chat(conn, "+55 41 99999-0003", path="a/gone.txt")
        conn.execute("UPDATE chat_files SET processing_status = 'vanished' WHERE id = %s", (gone,))
        yield conn


def _names(conn: Connection, ids: list[int]) -> set[str]:
    rows = conn.execute(
        "SELECT file_path || CASE WHEN file_path = 'a/two.txt' THEN '#' || chat_number ELSE '' END"
        " FROM chat_files WHERE id = ANY(%s)",
        (ids,),
    ).fetchall()
    return {name for (name,) in rows}


def test_the_scope_of_a_decision(scoped: Connection) -> None:
    for kind, target, number, expected in SCOPES:
        with scoped.transaction(force_rollback=True):
            key = parse_phone(target).key if kind == "phone" else target  # type: ignore[union-attr]
            stored = overrides.title_key(scoped, target) if kind == "title" else key or ""
            before = overrides.chats_of_target(scoped, kind, stored, number)
            new = overrides.NewOverride(kind, target, "contact", 1, "why", "me", number)
            made = overrides.insert_override(scoped, new)
            after = overrides.chats_about(scoped, made)
            assert after == before, target
            assert _names(scoped, [chat.id_chat_file for chat in after]) == expected, target
            assert [chat.id_chat_file for chat in after] == sorted(chat.id_chat_file for chat in after)
            by_month: dict[str, int] = {}
            for name in expected:
                month = "2025-02" if name.startswith("b/") else "2025-01"
                by_month[month] = by_month.get(month, 0) + 1
            if target != "+55 41 99999-0003":  # the planner counts deleted files, too
                assert dict(overrides.chats_of(scoped, made)) == by_month, target
            everybody = [id_ for (id_,) in scoped.execute("SELECT id FROM chat_files").fetchall()]
            about = [id_ for id_ in everybody if overrides.in_force_about(scoped, id_)]
            assert _names(scoped, about) - {"a/gone.txt"} == expected, target
            assert overrides.withdraw_override(scoped, made, reason="engano", removed_by="me")
            assert not overrides.withdraw_override(scoped, made, reason="engano", removed_by="me")
            assert not any(overrides.in_force_about(scoped, id_) for id_ in everybody)
            assert overrides.chats_about(scoped, made) == after
            assert overrides.list_all(scoped) == []
            assert [one.id for one in overrides.list_all(scoped, removed=True)] == [made]
            found = overrides.find_override(scoped, made)
            assert found is not None
            assert (found.target_kind, found.target, found.chat_number) == (kind, stored, number)
            assert (found.decision, found.id_contato, found.reason, found.made_by) == (
                "contact",
                1,
                "why",
                "me",
            )
            assert overrides.find_override(scoped, made + 1) is None
    counted = overrides.chats_of_target(scoped, "file", "a/two.txt", None)
    assert [(chat.month, chat.messages) for chat in counted] == [("2025-01", 0), ("2025-01", 7)]


def test_a_path_is_found_by_its_end(scoped: Connection) -> None:
    assert overrides.path_of(scoped, "ana.txt") == ["a/ana.txt", "b/ana.txt"]
    assert overrides.path_of(scoped, "a/ana.txt") == ["a/ana.txt"]
    assert overrides.path_of(scoped, "na.txt") == []
    assert overrides.path_of(scoped, "two.txt") == ["a/two.txt"]
    for number in range(7):
        add_chat(scoped, f"n{number}", path=f"{number}/many.txt")
    assert len(overrides.path_of(scoped, "many.txt")) == 5
