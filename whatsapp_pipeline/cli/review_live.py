"""`review --live`: live conversations without a sure contact or order.

What belongs here: displaying them, and the targets of decisions on them. What does not: the questions and
answers (review_session.py) and the effect of a decision (steps/links/decide.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.cli.review_item import item_lines
from whatsapp_pipeline.cli.review_session import ReviewAnswer, ReviewSession, Target
from whatsapp_pipeline.steps.links import decide
from whatsapp_pipeline.steps.links.chat_ends import lines_of
from whatsapp_pipeline.steps.links.decide import DecisionOutcome, ScopeOffer
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


def review_conversations(conn: Connection, *, by: str, limit: int | None) -> None:
    """Ask about each waiting conversation. Each decision is stored at once, and is in force at once."""
    reviewing = _LiveReview(conn, by, newest_seen_id=newest_decision(conn))
    items = live_queue(conn, reviewer=by, limit=limit)
    if items:
        reviewing.step_through(items)
    else:
        say("no live conversation waits for review")


@dataclass
class _LiveReview(ReviewSession):
    """A review session about live conversations.

    `newest_seen_id` is the id of the newest decision when the queue was read. Later decisions of other people
    are not replaced. In an item about a live conversation, `id_chat_file` has the id of the conversation.
    """

    newest_seen_id: int = 0

    def show(self, item: ReviewItem) -> bool:
        try:
            decide.refuse_if_decided_live(
                self.conn, item.id_chat_file, item.session_number, since=self.newest_seen_id, own=self.made
            )
        except decide.AlreadyDecidedError as error:
            say(f"   {error}")
            return False
        first, last = ends_of_conversation(self.conn, item.id_chat_file, item.session_number, count=_SHOWN)
        say_lines(item_lines(item, lines_of(first, last)))
        return True

    def targets(self, item: ReviewItem) -> Sequence[Target]:
        target = live_links.live_target(self.conn, item.id_chat_file)
        if target is None:
            return []
        offers: dict[str, ScopeOffer] = {}
        if item.session_number is None:
            offers = {one.scope: one for one in decide.live_scope_offers(self.conn, item.id_chat_file)}
        of_conversation = Target(
            "   the decision will apply to this conversation only",
            partial(self._decide, item, "conversation", target),
            offers.get("chat"),
        )
        if item.phone_key is None or item.session_number is not None:
            return [of_conversation]
        of_phone = Target(
            "   the decision will apply to every chat and live conversation of this phone",
            partial(self._decide, item, "phone", item.phone_key),
            offers.get("phone"),
        )
        return [of_phone, of_conversation]

    def _decide(self, item: ReviewItem, kind: str, target: str, answer: ReviewAnswer) -> DecisionOutcome:
        subject = "contact" if item.session_number is None else "order"
        wanted = NewOverride(
            kind,
            target,
            subject if answer.chosen is not None else f"no_{subject}",
            answer.chosen,
            answer.reason,
            self.by,
            session_number=item.session_number,
            nobody_kind=answer.nobody,
        )
        return decide.decide_conversation(
            self.conn,
            wanted,
            conversation=item.id_chat_file,
            session=item.session_number,
            since=self.newest_seen_id,
            own=self.made,
        )

    def snooze(self, item: ReviewItem, until: datetime) -> None:
        snooze_conversation(self.conn, item.id_chat_file, item.session_number, reviewer=self.by, until=until)
