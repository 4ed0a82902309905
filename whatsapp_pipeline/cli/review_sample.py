"""`review --sample`: judging sampled links without seeing them first, in the order of the draws.

What belongs here: the questions, and the display before and after a verdict. What does not: drawing links
(store/links/precision_sample.py) and verdicts (steps/links/blind_verdicts.py).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.cli.review_item import contact_label, digits, end_lines, read_key, read_reason
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links import decide
from whatsapp_pipeline.steps.links.blind_verdicts import BlindAnswer, BlindOutcome, judge_blind
from whatsapp_pipeline.steps.links.chat_ends import ChatEnds, chat_ends
from whatsapp_pipeline.steps.links.guaranteed_precision import guaranteed_precision
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.precision_sample import BlindItem, next_links

_KEYS = "1-9 that contact · o another contact · n none of them · ? unsure · q quit"


def judge_sample(
    conn: Connection, archive: ChatArchive | None, months: Sequence[str], *, by: str, limit: int
) -> None:
    """Ask for the contact of each of the next chats, and compare the answer with the link."""
    items = next_links(conn, months, limit=limit)
    if not items:
        say("every link that the rules made in these months has a verdict")
    judged = 0
    touched: set[str] = set()
    for number, item in enumerate(items, 1):
        say(f"\n[{number}/{len(items)}]")
        ends = chat_ends(conn, archive, item.id_chat_file, item.file_path, item.chat_number)
        say_lines(_blind_lines(item, ends))
        say(_KEYS)
        key = read_key(digits(item.contacts) + "on?q")
        if key == "q":
            break
        touched |= _judge(conn, item, key, by)
        judged += 1
    if touched:
        decide.relink_months(
            conn,
            touched,
            default_area_code=settings.load_settings().default_area_code,
            log=logging.getLogger(__name__),
        )
    say(f"\n{judged} verdict(s) stored")
    say(precision_line(conn, months))


def precision_line(conn: Connection, months: Sequence[str]) -> str:
    """Return the lower bound of the precision, computed from the verdicts, as text. It is rounded down."""
    bound = guaranteed_precision(conn, months, by_method=False).overall
    if bound is None or not bound.verdicts:
        return "no precision can be computed yet: the first drawn link has no verdict"
    least = math.floor(bound.share * 1000) / 10
    return (
        f"right links: ≥ {least:.1f} % at {bound.confidence:.0%} confidence, {bound.verdicts} verdicts "
        f"({bound.wrong} wrong or unsure) of {bound.links:,} links"
    )


def _blind_lines(item: BlindItem, ends: ChatEnds) -> Iterator[str]:
    days = (
        f"{item.first_at:%Y-%m-%d} to {item.last_at:%Y-%m-%d}"
        if item.first_at and item.last_at
        else "no dates"
    )
    yield f"{item.title}   chat {item.id_chat_file}: {item.messages} messages, {days}"
    yield f"   file: {item.file_path}"
    yield from end_lines(ends)
    for rank, contact in enumerate(item.contacts, 1):
        yield f"   {rank}  {contact_label(contact)}"


def _judge(conn: Connection, item: BlindItem, key: str, by: str) -> set[str]:
    """Store the verdict, show the link, and return the months that must be linked again."""
    chosen = None if key == "?" else _chosen(item, key)
    is_agreed = key == "?" or chosen == item.id_contato
    note = "" if is_agreed else read_reason("review: judged blind")
    try:
        found = judge_blind(conn, item.id_chat_file, BlindAnswer(chosen, key != "?", note, by))
    except PipelineError as error:
        say(f"   not kept: {error}", err=True)
        return set()
    say_lines([_linked_line(found)])
    if found.not_kept:
        say(f"   not kept: {found.not_kept}", err=True)
    elif found.verdict == "wrong" and chosen is not None:
        say(f"   kept: the chat is contact {chosen}'s")
    return set(found.months)


def _chosen(item: BlindItem, key: str) -> int | None:
    if key == "n":
        return None
    if key == "o":
        return int(click.prompt("contact id", type=click.IntRange(1)))
    return int(item.contacts[int(key) - 1]["id"])


def _linked_line(found: BlindOutcome) -> str:
    sure = "" if found.confidence is None else f", confidence {min(found.confidence, 0.999):.3f}"
    linked = f"the rules linked contact {found.id_contato} by {found.method or 'none'}{sure}"
    return f"   {found.verdict}: {linked}"
