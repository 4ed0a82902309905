"""`review`: chats in doubt, one key a decision; each decision becomes an override."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Iterator

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.link import waterfall
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.cli.params import MONTH, Group
from whatsapp_pipeline.domain.matching.link_types import Feature
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import overrides
from whatsapp_pipeline.store.links.review import ChatInDoubt, queue

_KEYS = "1-5 that contact · o another contact · n no contact · e evidence · s skip · q quit"


@click.group(cls=Group, invoke_without_command=True)
@click.option("--month", type=MONTH, help="The month to review.")
@click.option("--limit", type=click.IntRange(1), help="At most so many chats.")
@click.option("--by", help="Who decides. Left out: your user name.")
@click.pass_context
def review(context: click.Context, month: str | None, limit: int | None, by: str | None) -> None:
    """Step through ambiguous and proposed links, the most valuable first.

    Each decision is kept as an override, for good; `override remove` takes it back.
    """
    if context.invoked_subcommand is not None:
        return
    if month is None:
        raise click.UsageError("give --month YYYY-MM")
    configured = settings.load()
    with open_database(configured) as conn:
        chats = queue(conn, month, limit)
        if not chats:
            say(f"{month}: nothing is in doubt")
            return
        decided = _step_through(conn, chats, by or getpass.getuser())
        if decided:
            _link_again(conn, month, configured.default_area_code)
    say(f"\n{decided} decision(s) kept" + (f", {month} linked again" if decided else ""))


@review.command("record")
@click.argument("chat", type=int)
@click.argument("verdict", type=click.Choice(["right", "wrong", "unsure"]))
@click.option("--note", help="What you saw.")
@click.option("--by", help="Who says so. Left out: your user name.")
def record(chat: int, verdict: str, note: str | None, by: str | None) -> None:
    """Record what you say of the link of CHAT, a number in the report's review sample."""
    from whatsapp_pipeline.store.links import verdicts

    with open_database(settings.load()) as conn:
        if not verdicts.record(conn, chat, verdict, note=note, reviewer=by or getpass.getuser()):
            raise PipelineError(f"there is no chat {chat}; the report's review sample gives their numbers")
    say(f"chat {chat}: {verdict}")


def _link_again(conn: Connection, month: str, default_area_code: str | None) -> None:
    from whatsapp_pipeline.steps.links.link_contacts import LinkOptions, link_month
    from whatsapp_pipeline.steps.links.link_orders import OrderLinkOptions, link_orders_month

    log = logging.getLogger(__name__)
    link_month(conn, month, LinkOptions(default_area_code=default_area_code), log=log)
    link_orders_month(conn, month, OrderLinkOptions(), log=log)


def _step_through(conn: Connection, chats: list[ChatInDoubt], by: str) -> int:
    decided = 0
    for number, chat in enumerate(chats, 1):
        say(f"\n[{number}/{len(chats)}]")
        say_lines(_lines(chat))
        answer = _ask(chat)
        if answer == "quit":
            break
        if answer == "skip":
            continue
        _keep(conn, chat, answer, by)
        decided += 1
    return decided


def _lines(chat: ChatInDoubt) -> Iterator[str]:
    days = f"{chat.first_message_at:%Y-%m-%d} to {chat.last_message_at:%Y-%m-%d}" if (
        chat.first_message_at and chat.last_message_at
    ) else "no dates"  # fmt: skip
    yield f"{chat.title}   {chat.status}, {chat.messages} messages, {days}"
    if chat.flags:
        yield f"   flags: {', '.join(chat.flags)}"
    for rank, candidate in enumerate(chat.candidates, 1):
        names = " / ".join(name for name in (candidate["nome"], candidate["fantasia"]) if name)
        phones = " ".join(phone for phone in (candidate["celular"], candidate["telefone"]) if phone)
        yield f"   {rank}  {candidate['confidence']:.2f}  {names} ({candidate['id']})  {phones}"
        strongest = sorted(candidate["evidence"], key=lambda feature: -abs(feature["weight"]))[:2]
        for feature in strongest:
            yield f"            {feature['weight']:+.1f} {feature['words']}"


def _ask(chat: ChatInDoubt) -> int | str | None:
    """Return a contact's id, None for "no contact", or "skip" or "quit"."""
    say(_KEYS)
    while True:
        try:
            key = click.getchar()
        except OSError as error:
            raise PipelineError(
                "review waits for a key and has no terminal; `override add` decides without one"
            ) from error
        if key in ("q", "\x03", "\x04", ""):
            return "quit"
        if key == "s":
            return "skip"
        if key == "n":
            return None
        if key == "o":
            return int(click.prompt("contact id", type=click.IntRange(1)))
        if key == "e":
            _show_evidence(chat)
        if key.isdigit() and 1 <= int(key) <= len(chat.candidates):
            return int(chat.candidates[int(key) - 1]["id"])


def _show_evidence(chat: ChatInDoubt) -> None:
    for candidate in chat.candidates:
        say(f"   contact {candidate['id']}: {candidate['confidence']:.3f} by {candidate['method']}")
        evidence = waterfall([Feature(**feature) for feature in candidate["evidence"]])
        say_lines(f"   {line}" for line in evidence)


def _keep(conn: Connection, chat: ChatInDoubt, contact: int | str | None, by: str) -> None:
    """Keep the decision for the title: the same chat in other months and re-exports is decided with it."""
    id_ = contact if isinstance(contact, int) else None
    rank = next((n for n, c in enumerate(chat.candidates, 1) if c["id"] == id_), None)
    shown = len(chat.candidates)
    chosen = "none" if id_ is None else f"number {rank}" if rank else "another"
    reason = f"review: {chosen} of {shown} candidate(s)"
    phone_is_title = chat.phone_key is not None and not any(char.isalpha() for char in chat.title)
    target = ("phone", str(chat.phone_key)) if phone_is_title else ("title", chat.title)
    if not chat.title.strip():
        target = ("file", chat.file_path)
    try:
        overrides.add(
            conn,
            overrides.NewOverride(*target, "no_contact" if id_ is None else "contact", id_, reason, by),
        )
    except PipelineError as error:
        say(f"   not kept: {error}", err=True)
        return
    say(f"   kept: {'no contact' if id_ is None else f'contact {id_}'}")
