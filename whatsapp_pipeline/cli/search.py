"""`search`: find messages by their words."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.choices import choose_customer, choose_order
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import STRONG_END, STRONG_START, say, say_json, say_with_strong
from whatsapp_pipeline.store.chats.search import SearchHit, SearchQuery
from whatsapp_pipeline.store.connection import use_time_zone

_SIDES = {"from": "customer", "to": "staff", "notification": "notice", "unsent": "never sent"}


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--phrase", is_flag=True, help="Only messages with exactly this sequence of words.")
@click.option("--contact", metavar="ID|PHONE|NAME", help="Only this customer's messages.")
@click.option(
    "--order",
    metavar="ID|NUMBER",
    help="Only sessions that are linked to this order (its id or its numero_ordem_servico).",
)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="First day.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Last day.")
@click.option("--from", "side", flag_value="from", help="Only messages of customers.")
@click.option("--to", "side", flag_value="to", help="Only messages of the staff.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Largest number of messages to list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def search(  # noqa: PLR0913, PLR0917  # one parameter an option
    words: tuple[str, ...],
    phrase: bool,
    contact: str | None,
    order: str | None,
    since: datetime | None,
    until: datetime | None,
    side: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Find messages with WORDS, best matches first. Accents and word endings are ignored.

    Syntax: "a phrase" in double quotes, `or` between words, and -word to exclude a word.
    """
    from whatsapp_pipeline.store.chats.search import search_messages as find
    from whatsapp_pipeline.store.chats.search_words import unknown_words

    configured = settings.load_settings()
    text = " ".join(words)
    if not any(char.isalnum() for char in text):
        raise click.UsageError("give at least one word to find")
    with open_database(configured) as conn:
        use_time_zone(conn, configured.zone)
        number = (
            choose_customer(conn, contact, default_area_code=configured.default_area_code)
            if contact
            else None
        )
        query = SearchQuery(
            words='"' + text.replace('"', " ") + '"' if phrase else text,
            contact=number,
            order=choose_order(conn, order) if order else None,
            since=since,
            until=until + timedelta(days=1) if until else None,
            direction=side,
            limit=limit,
            mark_start=STRONG_START,
            mark_end=STRONG_END,
        )
        hits = find(conn, query)
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
