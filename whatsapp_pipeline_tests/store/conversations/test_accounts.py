"""Tenants and the accounts that belong to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.conversations import accounts
from whatsapp_pipeline_tests.webhook.deliveries import rows


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn, conn.transaction(force_rollback=True):
        yield conn


def test_a_tenant_is_made_once(conn: Connection) -> None:
    first = accounts.ensure_tenant(conn, "Loja")
    assert accounts.ensure_tenant(conn, "Loja") == first
    assert accounts.ensure_tenant(conn, "Oficina") != first


def test_an_account_keeps_its_tenant_and_is_enabled_again(conn: Connection) -> None:
    shop, other = accounts.ensure_tenant(conn, "Loja"), accounts.ensure_tenant(conn, "Oficina")
    accounts.add_account(conn, "a", shop)
    accounts.add_account(conn, "b", None)
    written = "SELECT xmin::text FROM whatsapp_accounts ORDER BY phone_number_id"
    before = rows(conn, written)
    accounts.add_account(conn, "a", None)  # nothing new
    accounts.add_account(conn, "a", shop)
    assert rows(conn, written) == before
    assert accounts.account_with_id(conn, "a") == accounts.Account("a", shop, "Loja", True)
    assert accounts.account_with_id(conn, "b") == accounts.Account("b", None, None, True)
    assert accounts.account_with_id(conn, "c") is None
    accounts.add_account(conn, "a", other)
    assert accounts.account_with_id(conn, "a") == accounts.Account("a", other, "Oficina", True)
    assert accounts.disable_account(conn, "a")
    assert not accounts.disable_account(conn, "c")
    assert accounts.account_with_id(conn, "a") == accounts.Account("a", other, "Oficina", False)
    assert accounts.known_accounts(conn, ["a", "b", "c"]) == {
        "a": accounts.Account("a", other, None, False),
        "b": accounts.Account("b", None, None, True),
    }
    accounts.add_account(conn, "a", None)
    assert accounts.account_with_id(conn, "a") == accounts.Account("a", other, "Oficina", True)
    accounts.add_account(conn, "b", other)
    accounts.disable_accounts_of(conn, other)
    assert [account.is_active for account in accounts.accounts(conn)] == [False, False]


def test_accounts_and_tenants_are_read_in_pages(conn: Connection) -> None:
    names = ("Auto", "Loja", "Oficina")
    ids = [accounts.ensure_tenant(conn, name) for name in names]
    for name, tenant in (("d", ids[1]), ("a", ids[1]), ("c", None), ("b", ids[2])):
        accounts.add_account(conn, name, tenant)
    accounts.disable_account(conn, "d")
    assert [account.phone_number_id for account in accounts.accounts(conn)] == ["a", "b", "c", "d"]
    assert [account.phone_number_id for account in accounts.accounts(conn, limit=2)] == ["a", "b"]
    assert [a.phone_number_id for a in accounts.accounts(conn, after="b", limit=1)] == ["c"]
    everybody = accounts.tenants(conn, after=None, limit=9)
    assert everybody == [(ids[0], "Auto", 0, 0), (ids[1], "Loja", 2, 1), (ids[2], "Oficina", 1, 1)]
    assert accounts.tenants(conn, after=None, limit=1) == everybody[:1]
    assert accounts.tenants(conn, after="Auto", limit=9) == everybody[1:]
    assert accounts.tenant_with_id(conn, ids[1]) == everybody[1]
    assert accounts.tenant_with_id(conn, -1) is None


def test_conversations_and_leads_get_the_tenant_of_their_account(conn: Connection) -> None:
    shop, other = accounts.ensure_tenant(conn, "Loja"), accounts.ensure_tenant(conn, "Oficina")
    for external, account, tenant in (
        ("1", "a", None),
        ("2", "a", other),
        ("3", "b", None),
        ("4", "x", None),
    ):
        conn.execute(
            "INSERT INTO conversations (external_id, phone_number_id, tenant_id) VALUES (%s, %s, %s)",
            (external, account, tenant),
        )
        conn.execute(
            "INSERT INTO leads (phone_number_id, canonical, wa_id, tenant_id) VALUES (%s, %s, %s, %s)",
            (account, external, external, tenant),
        )
    accounts.add_account(conn, "b", None)
    accounts.add_account(conn, "a", shop)
    for statement in (
        "SELECT external_id, tenant_id FROM conversations ORDER BY 1",
        "SELECT canonical, tenant_id FROM leads ORDER BY 1",
    ):
        assert rows(conn, statement) == [("1", shop), ("2", other), ("3", None), ("4", None)]
