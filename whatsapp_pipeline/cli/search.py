"""`search`: find messages by their words."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.choices import choose_customer, choose_order
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import STRONG_END, STRONG_START, say, say_json, say_with_strong
from whatsapp_pipeline.store.chats.search import SearchHit, SearchQuery
from whatsapp_pipeline.store.connection import Connection, use_time_zone

_DAY = click.DateTime(["%Y-%m-%d"])
_SIDES = {"from": "customer", "to": "staff", "notification": "notice", "unsent": "never sent"}


class _Filters(NamedTuple):
    """The filters of a search, as they were typed. `until` is the last day."""

    contact: str | None
    order: str | None
    since: datetime | None
    until: datetime | None
    side: str | None


def _filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the filters of a search to a command. The command receives them as `filters`."""

    @click.option("--contact", metavar="ID|PHONE|NAME", help="Only this customer's messages.")
    @click.option(
        "--order",
        metavar="ID|NUMBER",
        help="Only sessions that are linked to this order (its id or its numero_ordem_servico).",
    )
    @click.option("--since", type=_DAY, metavar="YYYY-MM-DD", help="First day.")
    @click.option("--until", type=_DAY, metavar="YYYY-MM-DD", help="Last day.")
    @click.option("--from", "side", flag_value="from", help="Only messages of customers.")
    @click.option("--to", "side", flag_value="to", help="Only messages of the staff.")
    @functools.wraps(command)
    def with_filters(
        *args: object,
        contact: str | None,
        order: str | None,
        since: datetime | None,
        until: datetime | None,
        side: str | None,
        **kwargs: object,
    ) -> None:
        command(*args, filters=_Filters(contact, order, since, until, side), **kwargs)

    return with_filters


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--phrase", is_flag=True, help="Only messages with exactly this sequence of words.")
@_filter_options
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Largest number of messages to list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def search(words: tuple[str, ...], phrase: bool, filters: _Filters, limit: int, as_json: bool) -> None:
    """Find messages with WORDS, best matches first. Accents and word endings are ignored.

    Syntax: "a phrase" in double quotes, `or` between words, and -word to exclude a word.
    """
    from whatsapp_pipeline.store.chats.search import search_messages
    from whatsapp_pipeline.store.chats.search_words import unknown_words

    text = " ".join(words)
    if not any(char.isalnum() for char in text):
        raise click.UsageError("give at least one word to find")
    configured = settings.load_settings()
    with open_database(configured) as conn:
        use_time_zone(conn, configured.zone)
        expression = '"' + text.replace('"', " ") + '"' if phrase else text
        query = _search_query(conn, expression, filters, limit, area_code=configured.default_area_code)
        hits = search_messages(conn, query)
        unknown = unknown_words(conn, text) if hits else []
    for hit in hits:
        if as_json:
            say_json(_as_json(hit))
        else:
            say_with_strong(_as_text(hit))
    if unknown and not as_json:
        say(f"no message contains {', '.join(unknown)} as typed; did you mean the words in «»?", err=True)
    if not hits and not as_json:
        say("nothing found", err=True)


def _search_query(
    conn: Connection, expression: str, filters: _Filters, limit: int, *, area_code: str | None
) -> SearchQuery:
    """Find the customer and the order of the filters, and return the query."""
    contact = choose_customer(conn, filters.contact, default_area_code=area_code) if filters.contact else None
    return SearchQuery(
        words=expression,
        contact=contact,
        order=choose_order(conn, filters.order) if filters.order else None,
        since=filters.since,
        until=filters.until + timedelta(days=1) if filters.until else None,
        direction=filters.side,
        limit=limit,
        mark_start=STRONG_START,
        mark_end=STRONG_END,
    )


def _as_json(hit: SearchHit) -> dict[str, object]:
    snippet = hit.snippet.replace(STRONG_START, "«").replace(STRONG_END, "»")
    return {**hit._asdict(), "sent_at": hit.sent_at.isoformat(), "snippet": snippet}


def _as_text(hit: SearchHit) -> str:
    snippet = " ".join(hit.snippet.split())
    who = f"contact {hit.id_contato}" if hit.id_contato is not None else "no contact"
    side = _SIDES.get(hit.side or "", "unknown side")
    # "webhook message 7" and "message 7" are different messages. The numbers are ids of messages, not of
    # chats.
    message = f"{'webhook ' if hit.source == 'webhook' else ''}message {hit.message_id}"
    return f"{hit.sent_at:%Y-%m-%d %H:%M}  {who}, {side}, {message}\n    {snippet}"
