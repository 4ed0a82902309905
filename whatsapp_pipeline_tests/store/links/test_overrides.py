"""The phone key in SQL is the one in Python: plain SQL and the command line target the same chats."""

from __future__ import annotations

import logging
import random

import psycopg
import pytest

from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox import numbers
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinkOptions
from whatsapp_pipeline.steps.links.staleness import stale_months
from whatsapp_pipeline.store.connection import Connection
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
