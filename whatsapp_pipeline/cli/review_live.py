"""`review --live`: live conversations without a sure contact or order, one key per decision.

What belongs here: the order of questions and answers about conversations. What does not: the display of an
item (review_item.py) and the effect of a decision (steps/links/decide.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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
from whatsapp_pipeline.store.links.live_review import (
    ends_of_conversation,
    live_queue,
    newest_decision,
    snooze_conversation,
)
from whatsapp_pipeline.store.links.overrides import NewOverride
from whatsapp_pipeline.store.links.review import ReviewItem

_SHOWN = 3
_SNOOZE = timedelta(days=7)
_CONTACT_KEYS = (
    "1-9 that contact · o another contact · n nobody · t scope · e evidence · s put off a week · u undo · "
    "q quit"
)
_ORDER_KEYS = (
    "1-9 that order · o another order · n no order · e evidence · s put off a week · u undo · q quit"
)


def review_conversations(conn: Connection, *, by: str, limit: int | None) -> None:
    """Step through the waiting conversations; each decision is stored and in force at once."""
    reviewing = _LiveReviewing(conn, by, newest_decision(conn))
    items = live_queue(conn, reviewer=by, limit=limit)
    if not items:
        say("no live conversation is in doubt")
        return
    for number, item in enumerate(items, 1):
        say(f"\n[{number}/{len(items)}]")
        if reviewing.is_decided(item):
            continue
        first, last = ends_of_conversation(conn, item.id_chat_file, item.session_number, count=_SHOWN)
        say_lines(item_lines(item, lines_of(first, last)))
        if not reviewing.ask(item):
            break
    if reviewing.touched:
        area_code = settings.load_settings().default_area_code
        decide.relink_months(
            conn, reviewing.months, default_area_code=area_code, log=logging.getLogger(__name__)
        )
    say(f"\n{len(reviewing.made)} decision(s) kept")


@dataclass
class _LiveReviewing:
    """One session of a reviewer: the decisions made, and the months that must be linked again."""

    conn: Connection
    by: str
    since: int  # the newest decision when the queue was read
    touched: bool = False
    months: set[str] = field(default_factory=set)
    made: list[int] = field(default_factory=list)

    def is_decided(self, item: ReviewItem) -> bool:
        """Return whether another person decided on the item after the queue was read, and print who."""
        try:
            decide.refuse_if_decided_live(
                self.conn, item.id_chat_file, item.session_number, since=self.since, own=self.made
            )
        except decide.AlreadyDecidedError as error:
            say(f"   {error}")
            return True
        return False

    def ask(self, item: ReviewItem) -> bool:
        """Ask about one item until it is decided or snoozed; return False to quit."""
        about_order = item.session_number is not None
        own = live_links.live_target(self.conn, item.id_chat_file)
        if own is None:
            return True
        targets = [("phone", item.phone_key)] if item.phone_key and not about_order else []
        targets.append(("conversation", own))
        scope = 0
        say(_scope_words(targets[scope][0]))
        say(_ORDER_KEYS if about_order else _CONTACT_KEYS)
        while (key := read_key(digits(item.candidates) + ("onesuq" if about_order else "onetsuq"))) != "q":
            if key == "t":
                scope = (scope + 1) % len(targets)
                say(_scope_words(targets[scope][0]))
            elif key == "s":
                return self._put_off(item)
            elif key == "e":
                show_evidence(item)
            elif key == "u":
                self._undo_last()
            else:
                chosen, nobody = _chosen(self.conn, item, key)
                if key == "o" and chosen is None:
                    continue
                target_kind, target = targets[scope]
                if self._keep(item, _decision(item, target_kind, target or own, chosen, nobody, self.by)):
                    return True
        return False

    def _keep(self, item: ReviewItem, wanted: NewOverride) -> bool:
        """Store the decision; return whether the item is decided, by this decision or another person's."""
        try:
            outcome = decide.decide_conversation(
                self.conn,
                wanted,
                conversation=item.id_chat_file,
                session=item.session_number,
                since=self.since,
                own=self.made,
            )
        except decide.AlreadyDecidedError as error:
            say(f"   {error}", err=True)
            return True
        except PipelineError as error:
            say(f"   not kept: {error}", err=True)
            return False
        self._note(outcome)
        self.made.append(outcome.id_override)
        answer = wanted.decision.replace("_", " ") + (f" {wanted.id}" if wanted.id is not None else "")
        say(f"   kept as override {outcome.id_override}: {answer}")
        return True

    def _put_off(self, item: ReviewItem) -> bool:
        until = datetime.now(UTC) + _SNOOZE
        snooze_conversation(self.conn, item.id_chat_file, item.session_number, reviewer=self.by, until=until)
        return True

    def _undo_last(self) -> None:
        if not self.made:
            say("   nothing was decided in this sitting; `override remove` takes back older decisions")
            return
        last = self.made.pop()
        self._note(decide.undo_decision(self.conn, last, reason="review: undone at once", removed_by=self.by))
        say(f"   override {last} is taken back")

    def _note(self, outcome: decide.DecisionOutcome) -> None:
        self.touched = True
        self.months.update(outcome.months)


def _decision(
    item: ReviewItem, target_kind: str, target: str, chosen: int | None, nobody: str | None, by: str
) -> NewOverride:
    """Ask for the reason and return the decision on an item."""
    kind = "order" if item.session_number is not None else "contact"
    usual = f"review: {'none' if chosen is None else 'one'} of {len(item.candidates)} candidate(s)"
    return NewOverride(
        target_kind,
        target,
        kind if chosen is not None else f"no_{kind}",
        chosen,
        read_reason(usual),
        by,
        session_number=item.session_number,
        nobody_kind=nobody,
    )


def _scope_words(kind: str) -> str:
    about = "every chat and conversation of this phone" if kind == "phone" else "this conversation alone"
    return f"   about {about}"


def _chosen(conn: Connection, item: ReviewItem, key: str) -> tuple[int | None, str | None]:
    """Return the contact or order of a key, or None with the kind of nobody."""
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
