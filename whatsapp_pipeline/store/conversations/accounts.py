"""The tables `tenants` and `whatsapp_accounts`: tenants, and the business numbers that belong to them.

What belongs here: adding, disabling and reading tenants and accounts. What does not: the deliveries of an
account (inbox.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Account:
    """One business number. `tenant` is the tenant's name, or None."""

    phone_number_id: str
    tenant_id: int | None
    tenant: str | None
    is_active: bool


def ensure_tenant(conn: Connection, name: str) -> int:
    """Return the id of the tenant `name`. Create the tenant if it does not exist."""
    conn.execute("INSERT INTO tenants (name) VALUES (%s) ON CONFLICT (name) DO NOTHING", (name,))
    row: Any = conn.execute("SELECT id FROM tenants WHERE name = %s", (name,)).fetchone()
    return int(row[0])


def add_account(conn: Connection, phone_number_id: str, tenant_id: int | None) -> None:
    """Add an account, or enable it again.

    Conversations and leads without a tenant get their account's tenant.
    """
    conn.execute(
        """
        INSERT INTO whatsapp_accounts (phone_number_id, tenant_id) VALUES (%s, %s)
        ON CONFLICT (phone_number_id) DO UPDATE
           SET tenant_id = coalesce(EXCLUDED.tenant_id, whatsapp_accounts.tenant_id), is_active = true,
               updated_at = now()
         WHERE NOT whatsapp_accounts.is_active
            OR whatsapp_accounts.tenant_id
               IS DISTINCT FROM coalesce(EXCLUDED.tenant_id, whatsapp_accounts.tenant_id)
        """,
        (phone_number_id, tenant_id),
    )
    pass_on_tenants(conn)


def pass_on_tenants(conn: Connection) -> None:
    """Give conversations and leads without a tenant the tenant of their account.

    Such rows were stored before the account existed or had a tenant.
    """
    for table in ("conversations", "leads"):
        conn.execute(
            sql.SQL(
                """
                WITH found AS (
                    SELECT t.id, a.tenant_id
                      FROM {table} t JOIN whatsapp_accounts a USING (phone_number_id)
                     WHERE t.tenant_id IS NULL AND a.tenant_id IS NOT NULL
                       FOR UPDATE OF t SKIP LOCKED  -- do not wait for a worker that is adding to the row
                )
                UPDATE {table} t SET tenant_id = f.tenant_id FROM found f WHERE f.id = t.id
                """
            ).format(table=sql.Identifier(table))
        )


def disable_account(conn: Connection, phone_number_id: str) -> bool:
    """Disable an account. Its new deliveries are parked. Return whether the account exists."""
    return bool(
        conn.execute(
            "UPDATE whatsapp_accounts SET is_active = false, updated_at = now() WHERE phone_number_id = %s",
            (phone_number_id,),
        ).rowcount
    )


def disable_accounts_of(conn: Connection, tenant_id: int) -> None:
    """Disable every account of a tenant."""
    conn.execute(
        "UPDATE whatsapp_accounts SET is_active = false, updated_at = now()"
        " WHERE tenant_id = %s AND is_active",
        (tenant_id,),
    )


_ACCOUNTS: LiteralString = (
    "SELECT a.phone_number_id, a.tenant_id, t.name, a.is_active FROM whatsapp_accounts a"
    " LEFT JOIN tenants t ON t.id = a.tenant_id"
)


def accounts(conn: Connection, *, after: str | None = None, limit: int | None = None) -> list[Account]:
    """Return accounts sorted by phone_number_id: all, or up to `limit` accounts after `after`."""
    rows = conn.execute(
        f"{_ACCOUNTS} WHERE %(after)s::text IS NULL OR a.phone_number_id > %(after)s"
        " ORDER BY 1 LIMIT %(limit)s",
        {"after": after, "limit": limit},
    ).fetchall()
    return [Account(*row) for row in rows]


def account_with_id(conn: Connection, phone_number_id: str) -> Account | None:
    """Return one account, or None."""
    row = conn.execute(f"{_ACCOUNTS} WHERE a.phone_number_id = %s", (phone_number_id,)).fetchone()
    return Account(*row) if row else None


class Tenant(NamedTuple):
    """A tenant, and the number of its accounts and active accounts."""

    id: int
    name: str
    accounts: int
    active_accounts: int


_TENANTS: LiteralString = (
    "SELECT t.id, t.name, count(a.phone_number_id), count(a.phone_number_id) FILTER (WHERE a.is_active)"
    " FROM tenants t LEFT JOIN whatsapp_accounts a ON a.tenant_id = t.id"
)


def tenants(conn: Connection, *, after: str | None, limit: int) -> list[Tenant]:
    """Return up to `limit` tenants sorted by name, those after the name `after` if it is given."""
    rows = conn.execute(
        f"{_TENANTS} WHERE %(after)s::text IS NULL OR t.name > %(after)s"
        " GROUP BY t.id ORDER BY t.name LIMIT %(limit)s",
        {"after": after, "limit": limit},
    ).fetchall()
    return [Tenant(*row) for row in rows]


def tenant_with_id(conn: Connection, tenant_id: int) -> Tenant | None:
    """Return one tenant, or None."""
    row = conn.execute(f"{_TENANTS} WHERE t.id = %s GROUP BY t.id", (tenant_id,)).fetchone()
    return Tenant(*row) if row else None


def known_accounts(conn: Connection, phone_number_ids: Collection[str]) -> Mapping[str, Account]:
    """Return those of the given accounts that exist, by id. The tenant's name is not read."""
    rows = conn.execute(
        "SELECT a.phone_number_id, a.tenant_id, NULL, a.is_active FROM whatsapp_accounts a"
        " WHERE a.phone_number_id = ANY(%s)",
        (list(phone_number_ids),),
    ).fetchall()
    return {row[0]: Account(*row) for row in rows}
