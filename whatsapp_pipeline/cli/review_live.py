"""`review --live`: live conversations without a sure contact or order, one key per decision.

What belongs here: the order of questions and answers about conversations. What does not: how an item looks
(review_item.py) and what a decision does (steps/links/decide.py).
"""

from __future__ import annotations

import logging

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.choices import choose_order
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.cli.review_item import (
    NOBODY_KEYS,
    digits,
    item_lines,
    read_key,
    read_reason,
    show_evidence,
)
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links import decide
from whatsapp_pipeline.steps.links.chat_ends import lines_of
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import live_links
from whatsapp_pipeline.store.links.live_review import ends_of_conversation, live_queue
from whatsapp_pipeline.store.links.overrides import NewOverride
from whatsapp_pipeline.store.links.review import ReviewItem

_SHOWN = 3
_CONTACT_KEYS = "1-9 that contact · o another contact · n nobody · t scope · e evidence · s skip · q quit"
_ORDER_KEYS = "1-9 that order · o another order · n no order · e evidence · s skip · q quit"


def review_conversations(conn: Connection, *, by: str, limit: int | None) -> None:
    """Step through what waits; each decision is kept and in force at once."""
    items = live_queue(conn, limit)
    if not items:
        say("no live conversation is in doubt")
        return
    kept = 0
    months: set[str] = set()
    for number, item in enumerate(items, 1):
        say(f"\n[{number}/{len(items)}]")
        first, last = ends_of_conversation(conn, item.id_chat_file, item.session_number, count=_SHOWN)
        say_lines(item_lines(item, lines_of(first, last)))
        decision = _answer(conn, item, by)
        if decision is None:
            break
        if decision:
            outcome = _keep(conn, decision[0])
            kept += outcome is not None
            months.update(outcome.months if outcome is not None else ())
    if kept:
        area_code = settings.load().default_area_code
        decide.relink_months(conn, months, default_area_code=area_code, log=logging.getLogger(__name__))
    say(f"\n{kept} decision(s) kept")


def _answer(conn: Connection, item: ReviewItem, by: str) -> list[NewOverride] | None:
    """Ask about one item: None to quit, [] to skip."""
    about_order = item.session_number is not None
    own = live_links.target_of(conn, item.id_chat_file)
    if own is None:
        return []
    targets = [("phone", item.phone_key)] if item.phone_key and not about_order else []
    targets.append(("conversation", own))
    scope = 0
    say(_scope_words(targets[scope][0]))
    say(_ORDER_KEYS if about_order else _CONTACT_KEYS)
    while (key := read_key(digits(item.candidates) + ("onesq" if about_order else "onetsq"))) != "q":
        if key == "s":
            return []
        if key == "e":
            show_evidence(item)
        elif key == "t":
            scope = (scope + 1) % len(targets)
            say(_scope_words(targets[scope][0]))
        else:
            chosen, nobody = _chosen(conn, item, key)
            if key == "o" and chosen is None:
                continue
            kind = "order" if about_order else "contact"
            target_kind, target = targets[scope]
            usual = f"review: {'none' if chosen is None else 'one'} of {len(item.candidates)} candidate(s)"
            return [
                NewOverride(
                    target_kind,
                    target or own,
                    kind if chosen is not None else f"no_{kind}",
                    chosen,
                    read_reason(usual),
                    by,
                    session_number=item.session_number,
                    nobody_kind=nobody,
                )
            ]
    return None


def _scope_words(kind: str) -> str:
    about = "every chat and conversation of this phone" if kind == "phone" else "this conversation alone"
    return f"   about {about}"


def _chosen(conn: Connection, item: ReviewItem, key: str) -> tuple[int | None, str | None]:
    """Return the contact or order that a key means, or None with the kind of nobody."""
    if key == "n":
        if item.session_number is not None:
            return None, None
        for number, (_, words) in NOBODY_KEYS.items():
            say(f"   {number}  {words}")
        answer = read_key("".join(NOBODY_KEYS) + "q")
        return None, NOBODY_KEYS[answer if answer in NOBODY_KEYS else "1"][0]
    if key != "o":
        return int(item.candidates[int(key) - 1]["id"]), None
    if item.session_number is None:
        return int(click.prompt("contact id", type=click.IntRange(1))), None
    try:
        return choose_order(conn, click.prompt("order (id or number)", type=str)), None
    except PipelineError as error:
        say(f"   {error}", err=True)
        return None, None


def _keep(conn: Connection, wanted: NewOverride) -> decide.DecisionOutcome | None:
    try:
        outcome = decide.add_override(conn, wanted)
    except PipelineError as error:
        say(f"   not kept: {error}", err=True)
        return None
    answer = wanted.decision.replace("_", " ") + (f" {wanted.id}" if wanted.id is not None else "")
    say(f"   kept as override {outcome.id_override}: {answer}")
    return outcome
