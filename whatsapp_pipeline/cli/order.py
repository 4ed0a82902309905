"""`order`: one service order with its sessions and their messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.choices import choose_order
from whatsapp_pipeline.cli.conversation_text import (
    MOST_MESSAGES,
    ConversationPart,
    may_read_messages,
    message_as_json,
    part_lines,
    read_part,
)
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say_json, say_lines
from whatsapp_pipeline.console import words
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.summaries.customer_words import order_line
from whatsapp_pipeline.store.connection import use_time_zone
from whatsapp_pipeline.store.contacts.directory import OrderListed, order_by_id
from whatsapp_pipeline.store.conversations.message_stream import StreamScope
from whatsapp_pipeline.store.links.order_sessions import MOST_SESSIONS, LinkedSession, sessions_of_order
from whatsapp_pipeline.store.readable import readable_columns
from whatsapp_pipeline.templates.render import certainty, counted


@click.command()
@click.argument("number", metavar="NUMBER")
@click.option(
    "--last",
    "count",
    type=click.IntRange(0, MOST_MESSAGES),
    default=50,
    show_default=True,
    help="Number of last messages to show; 0 for none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def order(number: str, count: int, as_json: bool) -> None:
    """Show a service order, its linked sessions, and their messages sorted by time.

    NUMBER is the order's id or its numero_ordem_servico. If several orders have that number, they are listed,
    and you choose at the terminal.
    """
    configured = settings.load_settings()
    with open_database(configured) as conn:
        use_time_zone(conn, configured.zone)
        id_order = choose_order(conn, number)
        with_device = bool(readable_columns(conn, "ordens_servico", ("equipamento",)))
        found = order_by_id(conn, id_order, with_device=with_device)
        if found is None:
            raise PipelineError(f"order {id_order} was deleted from ordens_servico; run the command again")
        may_read = may_read_messages(conn)
        sessions = sessions_of_order(conn, id_order, with_messages=may_read)
        part = read_part(conn, StreamScope("order", id_order), count=count) if may_read and count else None
    if as_json:
        say_json(_as_json(found, sessions, part, may_read=may_read), default=str)
    else:
        say_lines(_order_lines(found))
        say_lines(_session_lines(sessions))
        say_lines(_message_lines(part, may_read=may_read))


def _order_lines(order: OrderListed) -> Iterator[str]:
    yield order_line({**order._asdict(), "numero_ordem_servico": order.numero}) + f" (id {order.id})"
    if order.id_contato is None:
        yield f"{words.CUSTOMER}: {words.NO_CUSTOMER}"
    else:
        yield f"{words.CUSTOMER}: {order.nome or words.NO_NAME} (contato {order.id_contato})"


def _session_lines(sessions: Sequence[LinkedSession]) -> Iterator[str]:
    yield ""
    yield words.SESSIONS if sessions else words.NO_SESSIONS
    for session in sessions:
        if session.messages_before:
            yield f"    {counted(session.messages_before, words.BEFORE_SESSION)}"
        method = words.LINK_METHODS.get(session.order_match_method or "", words.UNKNOWN_METHOD)
        confidence = session.order_match_confidence
        sure = "" if confidence is None else f", {words.CONFIDENCE} {certainty(confidence)}"
        yield (
            f"  {session.started_at:%d/%m/%Y %H:%M} – {session.ended_at:%d/%m/%Y %H:%M}  "
            f"{session.source}:{session.chat}  "
            f"{counted(session.message_count, words.MESSAGES_COUNTED)}, {method}{sure}"
        )
    if len(sessions) == MOST_SESSIONS:
        yield f"  … (os primeiros {MOST_SESSIONS})"


def _message_lines(part: ConversationPart | None, *, may_read: bool) -> Iterator[str]:
    if not may_read:
        yield ""
        yield words.READER_HAS_NO_MESSAGES
    if part is not None:
        yield ""
        yield words.MESSAGES
        yield from part_lines(part)


def _as_json(
    order: OrderListed, sessions: Sequence[LinkedSession], part: ConversationPart | None, *, may_read: bool
) -> dict[str, object]:
    """Return everything as JSON. `messages` is null if the role may not read messages."""
    shown = [
        {**one._asdict(), "started_at": one.started_at.isoformat(), "ended_at": one.ended_at.isoformat()}
        for one in sessions
    ]
    messages = [message_as_json(message) for message in part.messages] if part else []
    return {**order._asdict(), "sessions": shown, "messages": messages if may_read else None}
