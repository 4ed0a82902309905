"""A review session in a terminal: questions about each item, with one key per answer.

What belongs here: asking the questions and handling the answers, for chats of the archive and for live
conversations. What does not: the items (review.py, review_live.py), their display (review_item.py), and the
effect of a decision (steps/links/decide.py).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.choices import choose_order
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.cli.review_item import (
    NOBODY_KEYS,
    digits,
    effect_line,
    effect_lines,
    read_key,
    read_reason,
    show_evidence,
)
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links import decide
from whatsapp_pipeline.steps.links.decide import DecisionKind, DecisionOutcome, NobodyKind, ScopeOffer
from whatsapp_pipeline.steps.links.scope_effects import scope_effects
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.review import ReviewItem

_SNOOZE = timedelta(days=7)
_CONTACT_HELP = (
    "1-9 that contact · o another contact · n nobody · t scope · e evidence · s put off a week · u undo · "
    "q quit"
)
_ORDER_HELP = (
    "1-9 that order · o another order · n no order · e evidence · s put off a week · u undo · q quit"
)


class ReviewAnswer(NamedTuple):
    """A reviewer's answer.

    `chosen` is the id of a contact or order; None for no contact or no order. `nobody` says who wrote if
    there is no contact.
    """

    chosen: int | None
    nobody: NobodyKind | None
    reason: str


class Target(NamedTuple):
    """A possible target of a decision. `words` is its text, and `decide` stores a decision on it.

    `offer` is its scope, from which the effect is computed before the decision; None for the order of a
    session.
    """

    words: str
    decide: Callable[[ReviewAnswer], DecisionOutcome]
    offer: ScopeOffer | None = None


@dataclass
class ReviewSession(ABC):
    """One review session, with the decisions made and the months that must be linked again."""

    conn: Connection
    by: str
    made: list[int] = field(default_factory=list)
    months: set[str] = field(default_factory=set)
    is_changed: bool = False

    @abstractmethod
    def show(self, item: ReviewItem) -> bool:
        """Print the item. Return False if the item has no question."""

    @abstractmethod
    def targets(self, item: ReviewItem) -> Sequence[Target]:
        """Return the possible targets of a decision on the item, the usual one first.

        An empty result skips the item.
        """

    @abstractmethod
    def snooze(self, item: ReviewItem, until: datetime) -> None:
        """Hide the item from this reviewer until a time."""

    def step_through(self, items: Sequence[ReviewItem]) -> None:
        """Ask about each item until the reviewer quits, then link the months of changed links again."""
        for number, item in enumerate(items, 1):
            say(f"\n[{number}/{len(items)}]")
            if self.show(item) and not self._ask(item):
                break
        if self.is_changed:
            area_code = settings.load_settings().default_area_code
            decide.relink_months(
                self.conn, self.months, default_area_code=area_code, log=logging.getLogger(__name__)
            )
        linked = f", {', '.join(sorted(self.months))} linked again" if self.months else ""
        say(f"\n{len(self.made)} decision(s) stored{linked}")

    def _ask(self, item: ReviewItem) -> bool:
        """Ask about one item until it is decided or snoozed. Return False if the reviewer quits."""
        targets, scope = self.targets(item), 0
        if not targets:
            return True
        about_order = item.session_number is not None
        _show_scope(targets[scope])
        say(_ORDER_HELP if about_order else _CONTACT_HELP)
        while (key := read_key(digits(item.candidates) + ("onesuq" if about_order else "onetsuq"))) != "q":
            if key == "t":
                scope = (scope + 1) % len(targets)
                _show_scope(targets[scope])
            elif key == "s":
                self.snooze(item, datetime.now(UTC) + _SNOOZE)
                return True
            elif key == "e":
                show_evidence(item)
            elif key == "u":
                self._undo_last()
            elif (answer := self._answer(item, key, targets[scope])) and self._keep(
                item, targets[scope], answer
            ):
                return True
        return False

    def _answer(self, item: ReviewItem, key: str, target: Target) -> ReviewAnswer | None:
        """Return the answer for a key; None if the reviewer typed an order that does not exist.

        Before the reason is asked for, the effect of the decision is printed.
        """
        chosen, nobody = None, None
        if key == "n":
            nobody = _ask_nobody_kind() if item.session_number is None else None
        elif key != "o":
            chosen = int(item.candidates[int(key) - 1]["id"])
        elif item.session_number is None:
            chosen = int(click.prompt("contact id", type=click.IntRange(1)))
        else:
            try:
                chosen = choose_order(self.conn, click.prompt("order (id or number)", type=str))
            except PipelineError as error:
                say(f"   {error}", err=True)
                return None
        if target.offer is not None:
            kind: DecisionKind = "no_contact" if chosen is None else "contact"
            with self.conn.transaction():
                (effect,) = scope_effects(self.conn, [target.offer], kind, chosen)
            say(effect_line(effect))
        return ReviewAnswer(chosen, nobody, read_reason(_usual_reason(item, chosen)))

    def _keep(self, item: ReviewItem, target: Target, answer: ReviewAnswer) -> bool:
        """Store the decision. Return whether the item is decided, by this decision or by another person's."""
        try:
            outcome = target.decide(answer)
        except decide.AlreadyDecidedError as error:
            say(f"   {error}", err=True)
            return True
        except PipelineError as error:
            say(f"   not kept: {error}", err=True)
            return False
        self.made.append(outcome.id_override)
        self._note(outcome)
        what = "contact" if item.session_number is None else "order"
        decision = f"no {what}" if answer.chosen is None else f"{what} {answer.chosen}"
        chats = f", {len(outcome.chats)} chat(s)" if outcome.chats or outcome.outranked else ""
        say(f"   stored as override {outcome.id_override}: {decision}{chats}")
        say_lines(f"   {line}" for line in effect_lines(outcome))
        return True

    def _undo_last(self) -> None:
        if not self.made:
            say("   nothing was decided in this session; `override remove` withdraws older decisions")
            return
        last = self.made.pop()
        self._note(decide.undo_decision(self.conn, last, reason="review: undone at once", removed_by=self.by))
        say(f"   override {last} is withdrawn")

    def _note(self, outcome: DecisionOutcome) -> None:
        self.is_changed = True
        self.months.update(outcome.months)


def _show_scope(target: Target) -> None:
    if target.words:
        say(target.words)


def _ask_nobody_kind() -> NobodyKind:
    for number, (_, words) in NOBODY_KEYS.items():
        say(f"   {number}  {words}")
    key = read_key("".join(NOBODY_KEYS) + "q")
    return NOBODY_KEYS[key if key in NOBODY_KEYS else "1"][0]


def _usual_reason(item: ReviewItem, chosen: int | None) -> str:
    rank = next((n for n, c in enumerate(item.candidates, 1) if c["id"] == chosen), None)
    said = "none" if chosen is None else f"number {rank}" if rank else "another"
    return f"review: {said} of {len(item.candidates)} candidate(s)"
