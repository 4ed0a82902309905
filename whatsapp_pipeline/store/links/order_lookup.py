"""Service orders by the id or number that people type.

What belongs here: finding the orders. What does not: choosing among them (cli/choices.py).
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.readable import columns_or_null


class OrderFound(NamedTuple):
    """An order that was found by id or number. `equipment` is empty for a role that may not read it."""

    id: int
    number: str
    id_contato: int | None
    opened: date | None
    status: str
    equipment: str


def find_orders(conn: Connection, text: str) -> list[OrderFound]:
    """Return the order whose id is `text`, otherwise all orders with that number, the newest first.

    Leading zeros and a `#` before the number are ignored.
    """
    plain = text.strip().lstrip("#").strip()
    by_id = int(plain) if plain.isdecimal() and len(plain) < 19 else None
    found = _find(conn, "id = %s", by_id) if by_id is not None else []
    return found or _find(conn, "ltrim(numero_ordem_servico::text, '0') = %s", plain.lstrip("0"))


def _find(conn: Connection, condition: str, value: object) -> list[OrderFound]:
    device = columns_or_null(conn, "ordens_servico", ("equipamento",))
    rows = conn.execute(
        f"""SELECT DISTINCT ON (id) id, coalesce(numero_ordem_servico::text, ''), id_contato,
                   data_emissao::date, coalesce(situacao::text, ''), coalesce(equipamento::text, '')
            FROM (SELECT id, numero_ordem_servico, id_contato, data_emissao, situacao, {device}
                    FROM ordens_servico) o WHERE {condition} ORDER BY id, data_emissao""".encode(),
        (value,),
    ).fetchall()
    newest_first = sorted(rows, key=lambda row: (row[3] or date.min, row[0]), reverse=True)
    return [OrderFound(*row) for row in newest_first]
