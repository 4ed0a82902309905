"""Statements on tenants and on the accounts (business numbers) that belong to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from whatsapp_pipeline.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Account:
    """One business number; `tenant` is the tenant's name, if it has one."""

    phone_number_id: str
    tenant_id: int | None
    tenant: str | None
    is_active: bool


def ensure_tenant(conn: Connection, name: str) -> int:
    """Return the id of the tenant called `name`, creating it if absent."""
    conn.execute("INSERT INTO tenants (name) VALUES (%s) ON CONFLICT (name) DO NOTHING", (name,))
    row: Any = conn.execute("SELECT id FROM tenants WHERE name = %s", (name,)).fetchone()
    return int(row[0])


def add_account(conn: Connection, phone_number_id: str, tenant_id: int | None) -> None:
    """Add an account, or enable it again; conversations that had no tenant get this one."""
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

    They were stored before the account existed or had a tenant.
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
    """Disable an account, so that its deliveries are kept and parked; return whether the account exists."""
    return bool(
        conn.execute(
            "UPDATE whatsapp_accounts SET is_active = false, updated_at = now() WHERE phone_number_id = %s",
            (phone_number_id,),
        ).rowcount
    )


def accounts(conn: Connection) -> list[Account]:
    """Read all accounts, sorted by phone_number_id."""
    rows = conn.execute(
        "SELECT a.phone_number_id, a.tenant_id, t.name, a.is_active FROM whatsapp_accounts a"
        " LEFT JOIN tenants t ON t.id = a.tenant_id ORDER BY 1"
    ).fetchall()
    return [Account(*row) for row in rows]


def known_accounts(conn: Connection, phone_number_ids: Collection[str]) -> Mapping[str, Account]:
    """Read those of the given accounts that exist."""
    rows = conn.execute(
        "SELECT a.phone_number_id, a.tenant_id, NULL, a.is_active FROM whatsapp_accounts a"
        " WHERE a.phone_number_id = ANY(%s)",
        (list(phone_number_ids),),
    ).fetchall()
    return {row[0]: Account(*row) for row in rows}
