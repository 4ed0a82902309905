"""`contact_sources` and `order_sources`: what the ERP says of a row beyond the user's own columns.

What belongs here: which rows changed since they were read last, and remembering them. What does not: the rows
themselves (`erp_rows`) and passes (`erp_passes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection

OPEN_ORDER_STATUSES = ("0", "1", "2", "5", "6")


class ContactSource(NamedTuple):
    """What is remembered of a contact; phones in full, whatever the width of their columns."""

    id_contato: int
    situacao: str | None
    data_atualizacao: datetime | None
    telefone: str | None
    celular: str | None
    item_hash: bytes
    field_names: str
    truncated: list[str]


class OrderSource(NamedTuple):
    """What is remembered of an order: hashes of its list item and of its details (None: never read)."""

    id_ordem_servico: int
    item_hash: bytes
    detail_hash: bytes | None
    truncated: list[str]


def unchanged_contacts(conn: Connection, hashes: Mapping[int, bytes]) -> set[int]:
    """Return the ids whose item is the one read last, was kept whole, and is still in `contatos`."""
    rows = conn.execute(
        """SELECT s.id_contato FROM unnest(%s::bigint[], %s::bytea[]) AS i (id, hash)
           JOIN contact_sources s ON s.id_contato = i.id AND s.item_hash = i.hash AND s.truncated = '{}'
           WHERE EXISTS (SELECT FROM contatos c WHERE c.id = i.id)""",
        (list(hashes), list(hashes.values())),
    )
    return {row[0] for row in rows}


def known_orders(conn: Connection, ids: Sequence[int]) -> dict[int, OrderSource]:
    """Return what is remembered of those orders that are still in `ordens_servico`."""
    rows = conn.execute(
        """SELECT id_ordem_servico, item_hash, detail_hash, truncated FROM order_sources s
           WHERE id_ordem_servico = ANY(%s::bigint[])
             AND EXISTS (SELECT FROM ordens_servico o WHERE o.id = s.id_ordem_servico)""",
        (list(ids),),
    )
    return {row[0]: OrderSource(*row) for row in rows}


def remember_contacts(conn: Connection, contacts: Iterable[ContactSource]) -> None:
    """Keep what the ERP says of these contacts; rows that say the same are left alone."""
    rows = list(contacts)
    with conn.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO contact_sources AS s (id_contato, situacao, data_atualizacao, telefone, celular,
                                                 item_hash, field_names, truncated)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (id_contato) DO UPDATE SET
                   situacao = EXCLUDED.situacao, data_atualizacao = EXCLUDED.data_atualizacao,
                   telefone = EXCLUDED.telefone, celular = EXCLUDED.celular, item_hash = EXCLUDED.item_hash,
                   field_names = EXCLUDED.field_names, truncated = EXCLUDED.truncated, synced_at = now()
               WHERE (s.item_hash, s.truncated) IS DISTINCT FROM (EXCLUDED.item_hash, EXCLUDED.truncated)""",
            rows,
        )


def remember_orders(conn: Connection, orders: Iterable[OrderSource]) -> None:
    """Keep the hashes of these orders; an order read without details keeps the details' hash it had."""
    rows = list(orders)
    with conn.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO order_sources AS s (id_ordem_servico, item_hash, detail_hash, truncated)
               VALUES (%s, %s, %s, %s)
               ON CONFLICT (id_ordem_servico) DO UPDATE SET
                   item_hash = EXCLUDED.item_hash, truncated = EXCLUDED.truncated, synced_at = now(),
                   detail_hash = coalesce(EXCLUDED.detail_hash, s.detail_hash)
               WHERE (s.item_hash, s.truncated) IS DISTINCT FROM (EXCLUDED.item_hash, EXCLUDED.truncated)
                  OR s.detail_hash IS DISTINCT FROM coalesce(EXCLUDED.detail_hash, s.detail_hash)""",
            rows,
        )


def open_orders(conn: Connection, *, issued_before: date | None, after: int, limit: int) -> list[OrderSource]:
    """Return orders of the ERP that are still open, issued before the window that a pass has read.

    In order of id, above `after`, at most `limit`; none when the window had no beginning.
    """
    rows = conn.execute(
        """SELECT s.id_ordem_servico, s.item_hash, s.detail_hash, s.truncated
           FROM order_sources s JOIN ordens_servico o ON o.id = s.id_ordem_servico
           WHERE o.situacao::text = ANY(%s) AND o.data_emissao::date < %s AND s.id_ordem_servico > %s
           ORDER BY s.id_ordem_servico LIMIT %s""",
        (list(OPEN_ORDER_STATUSES), issued_before, after, limit),
    )
    return [OrderSource(*row) for row in rows]
