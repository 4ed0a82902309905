"""The tables `contact_sources` and `order_sources`: what the ERP sent last.

They have hashes of the ERP's items, and fields that the user's tables lack.

What belongs here: storing these sources, and finding items that changed. What does not: the rows of the
user's tables (`erp_rows`) and passes (`erp_passes`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from hashlib import blake2b
from typing import Final, Literal, LiteralString, NamedTuple, TypeAlias

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import adoption
from whatsapp_pipeline.store.row_hashes import sum_of_hashes

Table: TypeAlias = Literal["contatos", "ordens_servico"]
OPEN_ORDER_STATUSES = ("0", "1", "2", "5", "6")
# The stage of the findings, by table.
STAGES: Final[dict[Table, str]] = {"contatos": "tiny_contacts", "ordens_servico": "tiny_orders"}
# FROM clauses for the stored sources of rows that still exist, by table.
_LIVE_SOURCES: Final[dict[Table, LiteralString]] = {
    "contatos": "FROM contact_sources s WHERE EXISTS (SELECT FROM contatos t WHERE t.id = s.id_contato)",
    "ordens_servico": """FROM order_sources s
        WHERE EXISTS (SELECT FROM ordens_servico t WHERE t.id = s.id_ordem_servico)""",
}


class ContactSource(NamedTuple):
    """The stored source of a contact.

    The phones are complete, even if the columns of the user's table are too short for them. `truncated` has
    the columns whose value was not stored completely.
    """

    id_contato: int
    situacao: str | None
    data_atualizacao: datetime | None
    telefone: str | None
    celular: str | None
    item_hash: bytes
    field_names: str
    truncated: list[str]


class OrderSource(NamedTuple):
    """The stored source of an order: hashes of its list item and of its details.

    `detail_hash` is None if the details were never read. `truncated` has the columns whose value was not
    stored completely.
    """

    id_ordem_servico: int
    item_hash: bytes
    detail_hash: bytes | None
    truncated: list[str]


def unchanged_contacts(conn: Connection, hashes: Mapping[int, bytes]) -> dict[int, str]:
    """Return the contacts whose item has not changed, was not truncated, and is still in `contatos`.

    The keys are ids. The values are the versions of the API that named the fields.
    """
    rows = conn.execute(
        """SELECT s.id_contato, s.field_names FROM unnest(%s::bigint[], %s::bytea[]) AS i (id, hash)
           JOIN contact_sources s ON s.id_contato = i.id AND s.item_hash = i.hash AND s.truncated = '{}'
           WHERE EXISTS (SELECT FROM contatos c WHERE c.id = i.id)""",
        (list(hashes), list(hashes.values())),
    )
    return dict(rows.fetchall())


def knows_contacts(conn: Connection) -> bool:
    """Return whether the ERP has listed any contact before."""
    row = conn.execute("SELECT EXISTS (SELECT FROM contact_sources)").fetchone()
    return bool(row and row[0])


def known_orders(conn: Connection, ids: Sequence[int]) -> dict[int, OrderSource]:
    """Return the stored sources of those orders that are still in `ordens_servico`."""
    rows = conn.execute(
        """SELECT id_ordem_servico, item_hash, detail_hash, truncated FROM order_sources s
           WHERE id_ordem_servico = ANY(%s::bigint[])
             AND EXISTS (SELECT FROM ordens_servico o WHERE o.id = s.id_ordem_servico)""",
        (list(ids),),
    )
    return {row[0]: OrderSource(*row) for row in rows}


def version(conn: Connection, table: Table) -> str:
    """Return a hash of the data that decides whether items would be written again.

    The data are the stored sources of rows that are still in `table`, the columns of `table`, the erased
    contacts, and the findings of the stage. Values that other programs write to the rows are not included,
    because a pass ignores them, too.
    """
    row = conn.execute(
        f"""SELECT
            (SELECT count(*) || ':' || coalesce({sum_of_hashes("s")}, 0) {_LIVE_SOURCES[table]}),
            (SELECT count(*) || ':' || coalesce({sum_of_hashes("ROW(key_hash)")}, 0)
             FROM privacy_suppressions WHERE kind = 'contact'),
            (SELECT count(*) || ':'
                    || coalesce({sum_of_hashes("ROW(file_path, kind, detail)")}, 0)
             FROM exceptions WHERE stage = %s)""",
        (STAGES[table],),
    ).fetchone()
    return blake2b(repr((row, adoption.columns_by_name(conn, table))).encode(), digest_size=20).hexdigest()


def remember_contacts(conn: Connection, contacts: Iterable[ContactSource]) -> None:
    """Store the sources of these contacts. Unchanged rows are not written."""
    conn.execute(
        """INSERT INTO contact_sources AS s (id_contato, situacao, data_atualizacao, telefone, celular,
                                             item_hash, field_names, truncated)
           SELECT id_contato, situacao, data_atualizacao, telefone, celular,
                  decode(item_hash, 'hex'), field_names, truncated
           FROM json_to_recordset(%s::json) AS i (
               id_contato bigint, situacao text, data_atualizacao timestamp, telefone text, celular text,
               item_hash text, field_names text, truncated text[])
           ON CONFLICT (id_contato) DO UPDATE SET
               situacao = EXCLUDED.situacao, data_atualizacao = EXCLUDED.data_atualizacao,
               telefone = EXCLUDED.telefone, celular = EXCLUDED.celular, item_hash = EXCLUDED.item_hash,
               field_names = EXCLUDED.field_names, truncated = EXCLUDED.truncated, synced_at = now()
           WHERE (s.item_hash, s.truncated) IS DISTINCT FROM (EXCLUDED.item_hash, EXCLUDED.truncated)""",
        (_as_json(contacts),),
    )


def remember_orders(conn: Connection, orders: Iterable[OrderSource]) -> None:
    """Store the sources of these orders.

    An order that was read without details keeps the old hash of its details.
    """
    conn.execute(
        """INSERT INTO order_sources AS s (id_ordem_servico, item_hash, detail_hash, truncated)
           SELECT id_ordem_servico, decode(item_hash, 'hex'), decode(detail_hash, 'hex'), truncated
           FROM json_to_recordset(%s::json) AS i (
               id_ordem_servico bigint, item_hash text, detail_hash text, truncated text[])
           ON CONFLICT (id_ordem_servico) DO UPDATE SET
               item_hash = EXCLUDED.item_hash, truncated = EXCLUDED.truncated, synced_at = now(),
               detail_hash = coalesce(EXCLUDED.detail_hash, s.detail_hash)
           WHERE (s.item_hash, s.truncated) IS DISTINCT FROM (EXCLUDED.item_hash, EXCLUDED.truncated)
              OR s.detail_hash IS DISTINCT FROM coalesce(EXCLUDED.detail_hash, s.detail_hash)""",
        (_as_json(orders),),
    )


def _as_json(rows: Iterable[ContactSource | OrderSource]) -> str:
    """Return rows as JSON objects, with bytes in hexadecimal and times in ISO format."""
    return json.dumps([row._asdict() for row in rows], default=_plain)


def _plain(value: bytes | datetime) -> str:
    return value.hex() if isinstance(value, bytes) else value.isoformat()


def open_orders(conn: Connection, *, issued_before: date | None, after: int, limit: int) -> list[OrderSource]:
    """Return up to `limit` orders that are still open and were issued before `issued_before`.

    They are sorted by id, with ids above `after`. `issued_before` is the start of the period that a pass has
    read. If it is None, the result is empty.
    """
    rows = conn.execute(
        """SELECT s.id_ordem_servico, s.item_hash, s.detail_hash, s.truncated
           FROM order_sources s JOIN ordens_servico o ON o.id = s.id_ordem_servico
           WHERE o.situacao::text = ANY(%s) AND o.data_emissao::date < %s AND s.id_ordem_servico > %s
           ORDER BY s.id_ordem_servico LIMIT %s""",
        (list(OPEN_ORDER_STATUSES), issued_before, after, limit),
    )
    return [OrderSource(*row) for row in rows]
