"""Finding customers and orders by a part of a name, phone or number.

What belongs here: look-ups for a search box, which are fast for any number of rows. What does not: finding
the one customer that a command names (store/summaries/customers.py), and parsing phones (domain/phones.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from psycopg.rows import class_row

from whatsapp_pipeline.store.connection import Connection


class CustomerFound(NamedTuple):
    """A contact in a list."""

    id: int
    nome: str | None
    fantasia: str | None
    celular: str | None
    last_at: date | None


def customers_like(
    conn: Connection, name: str, phone_parts: Sequence[str], *, with_phones: bool, limit: int
) -> list[CustomerFound]:
    """Return contacts with every word of `name` in their name, or with one of the parts in a phone.

    Args:
        conn: A connection of the level that the page is for.
        name: Words in any order, without regard to accents and capitals.
        phone_parts: Groups of digits. A phone's key must contain one of them. If there is none, phones are
            not searched.
        with_phones: Whether the level may read phones and trade names.
        limit: Maximum number of results. Contacts with the latest conversation come first.
    """
    statement, values = _customers(name, phone_parts, with_phones=with_phones, limit=limit)
    if not statement:
        return []
    with conn.cursor(row_factory=class_row(CustomerFound)) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def _customers(
    name: str, phone_parts: Sequence[str], *, with_phones: bool, limit: int
) -> tuple[str, dict[str, object]]:
    """Return the statement of `customers_like` and its values. It is '' if there is nothing to search."""
    words = [word for word in name.split() if any(map(str.isalnum, word))]
    fields = ("nome", "fantasia") if with_phones else ("nome",)
    by_name = " UNION ".join(
        f"SELECT id FROM contatos WHERE {_every_word(field, len(words))}" for field in fields
    )
    by_phone = (
        "SELECT id_contato FROM contact_phones WHERE key LIKE ANY (%(phones)s::text[])" if with_phones else ""
    )
    found = " UNION ".join(
        part for part, wanted in ((by_name, words), (by_phone, phone_parts)) if part and wanted
    )
    if not found:
        return "", {}
    shown = "c.fantasia::text, c.celular::text" if with_phones else "NULL AS fantasia, NULL AS celular"
    statement = f"""
        SELECT c.id, c.nome::text, {shown}, s.last_interaction_date::date AS last_at
          FROM contatos c LEFT JOIN customer_chat_summaries s ON s.id_contato = c.id
         WHERE c.id IN ({found})
         ORDER BY s.last_interaction_date DESC NULLS LAST, c.nome, c.id LIMIT %(limit)s
    """
    values: dict[str, object] = {"limit": limit, "phones": [f"%{part}%" for part in phone_parts]}
    values |= {f"word{place}": f"%{_literal(word)}%" for place, word in enumerate(words)}
    return statement, values


def customer_names(conn: Connection, ids: Sequence[int]) -> dict[int, str | None]:
    """Return the names of contacts by id. Unknown ids are left out."""
    rows = conn.execute("SELECT id, nome::text FROM contatos WHERE id = ANY(%s) ORDER BY id", (list(ids),))
    return dict(rows.fetchall())


def _every_word(field: str, count: int) -> str:
    """Return the SQL condition that a field contains every word.

    The condition of each word can use the trigram index.
    """
    return " AND ".join(f"plain_text({field}::text) LIKE plain_text(%(word{n})s)" for n in range(count))


def _literal(word: str) -> str:
    """Escape the wildcards of LIKE."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class OrderListed(NamedTuple):
    """A service order in a list."""

    id: int
    numero: str | None
    situacao: str | None
    equipamento: str | None
    data_emissao: date | None
    data_conclusao: date | None
    id_contato: int | None
    nome: str | None


def orders_numbered(
    conn: Connection, number: str, *, with_device: bool, limit: int = 20
) -> list[OrderListed]:
    """Return the orders with that number, newest first.

    Leading zeros and a `#` before the number are ignored.
    """
    return _orders(conn, _NUMBERED, _bare(number), with_device=with_device, limit=limit)


_NUMBERED = "ltrim(o.numero_ordem_servico::text, '0') = %(value)s"


_FOLLOWING = """(coalesce(o.data_emissao, '-infinity'), o.id) <
    (SELECT coalesce(p.data_emissao, '-infinity'), p.id FROM ordens_servico p WHERE p.id = %(after)s)"""


def orders_page(
    conn: Connection, *, number: str | None, after: int | None, with_device: bool, limit: int
) -> list[OrderListed]:
    """Return up to `limit` orders that come after the order `after`, newest first.

    With `number`, only orders with this number are returned. The result is empty if the order `after` does
    not exist.
    """
    wanted = {_NUMBERED: number is not None, _FOLLOWING: after is not None}
    condition = " AND ".join(part for part, is_wanted in wanted.items() if is_wanted) or "true"
    values = {"value": None if number is None else _bare(number), "after": after, "limit": limit}
    with conn.cursor(row_factory=class_row(OrderListed)) as cursor:
        return cursor.execute(
            _orders_statement(condition, with_device=with_device).encode(), values
        ).fetchall()


def _bare(number: str) -> str:
    return number.strip().lstrip("#").strip().lstrip("0")


def customers_and_orders(
    conn: Connection, name: str, phone_parts: Sequence[str], number: str, *, with_private: bool, limit: int
) -> tuple[list[CustomerFound], list[OrderListed]]:
    """Return the results of `customers_like` and `orders_numbered` with one statement.

    Args:
        conn: A connection of the level that the page is for.
        name: As for `customers_like`.
        phone_parts: As for `customers_like`.
        number: As for `orders_numbered`.
        with_private: Whether the level reads phones and trade names.
        limit: Maximum number of customers, and of orders.
    """
    customers, values = _customers(name, phone_parts, with_phones=with_private, limit=limit)
    orders = _orders_statement(_NUMBERED, with_device=True)
    statement = f"""
        SELECT (SELECT coalesce(jsonb_agg(c), '[]') FROM ({customers or "SELECT WHERE false"}) c),
               (SELECT coalesce(jsonb_agg(o), '[]') FROM ({orders}) o)
    """
    row = conn.execute(statement.encode(), {**values, "value": _bare(number), "limit": limit}).fetchone()
    found_customers, found_orders = row or ([], [])
    return (
        [CustomerFound(**_dated(found, "last_at")) for found in found_customers],
        [OrderListed(**_dated(found, "data_emissao", "data_conclusao")) for found in found_orders],
    )


def _dated(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a JSON object in which the texts of dates are replaced by dates."""
    return row | {name: date.fromisoformat(row[name]) for name in names if row[name] is not None}


def order_by_id(conn: Connection, id_order: int, *, with_device: bool) -> OrderListed | None:
    """Return an order by its id, or None."""
    found = _orders(conn, "o.id = %(value)s", id_order, with_device=with_device, limit=1)
    return found[0] if found else None


def _orders(
    conn: Connection, condition: str, value: object, *, with_device: bool, limit: int
) -> list[OrderListed]:
    statement = _orders_statement(condition, with_device=with_device)
    with conn.cursor(row_factory=class_row(OrderListed)) as cursor:
        return cursor.execute(statement.encode(), {"value": value, "limit": limit}).fetchall()


def _orders_statement(condition: str, *, with_device: bool) -> str:
    device = "o.equipamento::text" if with_device else "NULL AS equipamento"
    return f"""
        SELECT o.id, o.numero_ordem_servico::text AS numero, o.situacao::text, {device}, o.data_emissao::date,
               o.data_conclusao::date, o.id_contato, c.nome::text
          FROM ordens_servico o LEFT JOIN contatos c ON c.id = o.id_contato
         WHERE {condition} ORDER BY o.data_emissao DESC NULLS LAST, o.id DESC LIMIT %(limit)s
    """
