"""Reading the evidence about a month's chats, and writing their links to contacts.

What belongs here: set-based statements. What does not: deciding (domain/matching/), the writing of decisions
in general (decisions.py), overrides (overrides.py), fitted models (models.py), and the report
(link_report.py).

Most functions work on the temporary table `linking`, which the `stage_…` functions fill. Call them inside one
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from whatsapp_pipeline.store import queries, statistics
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import decisions
from whatsapp_pipeline.store.links.decisions import CandidateRow, DecisionRow, DecisionTables, Tally


class StagedChat(NamedTuple):
    """One staged chat: a row of `chat_files`, with devices and phones of its sessions and headers."""

    id: int
    title: str
    phone_number: str | None
    phone_key: str | None
    name: str | None
    order_reference: str | None
    devices: list[str]
    is_group: bool
    first_day: date | None
    last_day: date | None
    header_keys: list[str]
    seen_devices: list[str]
    order_numbers: list[str]


class PhoneHitRow(NamedTuple):
    """A contact's phone that equals a phone of a staged chat.

    `area` is how the chat's phone got its area code: written, assumed or unknown.
    """

    id_chat_file: int
    source: str
    id_contato: int
    field: str
    area: str
    had_ninth_digit: bool | None


class OrderHitRow(NamedTuple):
    """An order that a staged chat names."""

    id_chat_file: int
    id_ordem_servico: int
    id_contato: int
    source: str
    by_id: bool


class OrderText(NamedTuple):
    """The text of an order's device, and the days on which the order was opened and closed."""

    id_contato: int
    equipment: str
    opened: date | None
    closed: date | None


# The columns with which the statements of linking join tables, by table.
_JOINED = {
    "contatos": ("id",),
    "contact_phones": ("id_contato", "key"),
    "ordens_servico": ("id", "id_contato", "numero_ordem_servico"),
    "chat_files": ("id", "month", "processing_status"),
    "chat_sessions": ("id", "id_chat_file"),
    "chat_phones": ("id_chat_file",),
}
_TABLES = DecisionTables("chat_files", "match_status", "id_contato", "match_candidates", "id_chat_file")
_STAGED = ", ".join(StagedChat._fields)


def stage_month_chats(conn: Connection, month: str) -> list[StagedChat]:
    """Stage the month's chats that are in the archive, and return them by id."""
    statistics.refresh(conn, _JOINED)
    conn.execute("DROP TABLE IF EXISTS pg_temp.linking")
    conn.execute(queries.load("links/link_stage_month"), {"month": month, "chats": []})
    return _staged(conn)


def stage_chats(conn: Connection, chats: Sequence[int]) -> list[StagedChat]:
    """Stage the chats of these ids that are in the archive, and return them by id."""
    conn.execute("DROP TABLE IF EXISTS pg_temp.linking")
    conn.execute(queries.load("links/link_stage_month"), {"month": None, "chats": list(chats)})
    return _staged(conn)


def stored_candidates(conn: Connection, chats: Sequence[int]) -> list[CandidateRow]:
    """Return the stored candidates of these chats, by chat and rank."""
    rows = conn.execute(
        """SELECT id_chat_file, rank, id_contato, confidence, method, evidence::text FROM match_candidates
           WHERE id_chat_file = ANY(%s) ORDER BY id_chat_file, rank""",
        (list(chats),),
    )
    return [CandidateRow(*row) for row in rows]


def stage_title(conn: Connection, values: Mapping[str, Any]) -> StagedChat:
    """Stage one title (title, phone_number, phone_key, name, order_reference, devices, day) as chat 0."""
    conn.execute("DROP TABLE IF EXISTS pg_temp.linking")
    conn.execute(queries.load("links/link_stage_title"), dict(values))
    return _staged(conn)[0]


def _staged(conn: Connection) -> list[StagedChat]:
    conn.execute("ANALYZE linking (id, phone_key, order_reference, is_group)")
    return [StagedChat(*row) for row in conn.execute(f"SELECT {_STAGED} FROM linking ORDER BY id")]


def phone_hits(conn: Connection) -> list[PhoneHitRow]:
    """Return the phones of contacts that equal a phone of a staged chat, by chat."""
    return [PhoneHitRow(*row) for row in conn.execute(queries.load("links/link_phone_hits"))]


def order_hits(conn: Connection) -> list[OrderHitRow]:
    """Return the orders that staged chats name, by chat."""
    return [OrderHitRow(*row) for row in conn.execute(queries.load("links/link_order_hits"))]


def names_of_contacts(conn: Connection, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Return (nome, fantasia) of contacts by id. A missing name is ""."""
    rows = conn.execute(
        """SELECT DISTINCT ON (id) id, coalesce(nome, ''), coalesce(fantasia, '') FROM contatos
           WHERE id = ANY(%s) ORDER BY id, nome, fantasia""",
        (sorted(set(ids)),),
    )
    return {id_: (nome, fantasia) for id_, nome, fantasia in rows}


def order_texts(conn: Connection, contacts: Iterable[int]) -> list[OrderText]:
    """Return the texts of the devices in the orders of these contacts."""
    rows = conn.execute(
        """SELECT id_contato, concat_ws(' ', equipamento, linha_dispositivo),
                  data_emissao::date, data_conclusao::date
           FROM ordens_servico WHERE id_contato = ANY(%s) ORDER BY id""",
        (sorted(set(contacts)),),
    )
    return [OrderText(*row) for row in rows]


def tally_chats(conn: Connection, month: str) -> list[Tally]:
    """Return the counts of the current links of the month's chats."""
    rows = conn.execute(
        """SELECT match_status, match_method, id_contato IS NOT NULL, match_flags, count(*)
           FROM chat_files WHERE month = %s AND processing_status <> 'vanished'
           GROUP BY 1, 2, 3, 4""",
        (month,),
    )
    return [Tally(*row) for row in rows]


def write_chat_links(
    conn: Connection, rows: Iterable[DecisionRow], candidates: Iterable[CandidateRow]
) -> dict[str, int]:
    """Write decisions on chats and their candidates. Return the numbers of changed rows."""
    chats, changed = decisions.write_decisions(conn, _TABLES, "links/links_update", rows, candidates)
    return {"chats": chats, "candidates": changed}
