"""`review`: decide chats and sessions of the archive that the rules could not link surely.

What belongs here: the command, and the targets of decisions on such items. What does not: the questions and
answers (review_session.py) and the effect of a decision (steps/links/decide.py).
"""

from __future__ import annotations

import getpass
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.cli.params import MONTH, Group, by_option
from whatsapp_pipeline.cli.review_item import item_lines, scope_line
from whatsapp_pipeline.cli.review_live import review_conversations
from whatsapp_pipeline.cli.review_sample import judge_sample
from whatsapp_pipeline.cli.review_session import ReviewAnswer, ReviewSession, Target
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links import decide
from whatsapp_pipeline.steps.links.chat_ends import chat_ends
from whatsapp_pipeline.steps.links.decide import (
    ChatDecision,
    DecisionKind,
    DecisionOutcome,
    DecisionScope,
    ShownState,
)
from whatsapp_pipeline.store.links import chat_state
from whatsapp_pipeline.store.links.review import ReviewItem, queue
from whatsapp_pipeline.store.operations import status

_SAMPLE = 20


@click.group(cls=Group, invoke_without_command=True)
@click.option("--month", type=MONTH, help="The month to review.")
@click.option("--limit", type=click.IntRange(1), help="Show no more than this number of items.")
@by_option("decides")
@click.option(
    "--sample",
    is_flag=True,
    help="Judge the links of the QA sample, of one month or of all months, without seeing the links first.",
)
@click.option("--live", is_flag=True, help="Review live conversations. They belong to no month.")
@click.pass_context
def review(
    context: click.Context, month: str | None, limit: int | None, by: str | None, sample: bool, live: bool
) -> None:
    """Step through chats without a sure contact and sessions without a sure order, the most valuable first.

    If the chat has a phone, a decision applies to all chats of that phone, otherwise to the chat alone. The
    key `t` changes this. A decision is stored permanently with its reason; `override remove` withdraws it.
    With --sample, you choose the contact of each chat before the link and its score are shown. The precision
    in the QA report is computed from these verdicts.
    """
    if context.invoked_subcommand is not None:
        return
    configured = settings.load_settings()
    if sample:
        with open_database(configured) as conn:
            months = [month] if month else [str(row["month"]) for row in status.months(conn)]
            judge_sample(conn, _archive(), months, by=by or getpass.getuser(), limit=limit or _SAMPLE)
        return
    if live:
        with open_database(configured) as conn:
            review_conversations(conn, by=by or getpass.getuser(), limit=limit)
        return
    if month is None:
        raise click.UsageError("give --month YYYY-MM, --sample or --live")
    with open_database(configured) as conn:
        reviewing = _ArchiveReview(conn, by or getpass.getuser(), archive=_archive())
        items = queue(conn, [month], reviewer=reviewing.by, limit=limit)
        if items:
            reviewing.step_through(items)
        else:
            say(f"{month}: no chat or session waits for review")


@review.command("record")
@click.argument("chat", type=int)
@click.argument("verdict", type=click.Choice(["right", "wrong", "unsure"]))
@click.option("--note", help="Note that is stored with the verdict.")
@by_option("reviews")
def record_command(chat: int, verdict: decide.LinkVerdict, note: str | None, by: str | None) -> None:
    """Store a verdict on the link of a chat. CHAT is a number in the report's review sample.

    "wrong" removes the link: the contact is refused for this chat, and the chat waits for a decision.
    """
    configured = settings.load_settings()
    with open_database(configured) as conn:
        touched = decide.give_verdict(conn, chat, verdict, note=note, reviewer=by or getpass.getuser())
        if touched is not None:
            decide.relink_months(
                conn,
                touched.months,
                default_area_code=configured.default_area_code,
                log=logging.getLogger(__name__),
            )
        state = decide.shown_state(conn, chat).link.status
    say(f"chat {chat}: {verdict}")
    if touched is not None:
        say(
            f"its contact is refused for this chat (override {touched.id_override}; `override remove` "
            f"withdraws this); the chat is now {state} and waits in `review`"
        )


def _archive() -> ChatArchive | None:
    """Return the archive, which has the messages that are not loaded yet; None if CHAT_ARCHIVE is not set."""
    from whatsapp_pipeline.resources.sources import Archive

    try:
        return Archive().open()
    except PipelineError:
        return None


@dataclass
class _ArchiveReview(ReviewSession):
    """A review session about chats of the archive. `archive` has the messages that are not loaded yet."""

    archive: ChatArchive | None = None

    def show(self, item: ReviewItem) -> bool:
        ends = chat_ends(
            self.conn,
            self.archive,
            item.id_chat_file,
            item.file_path,
            item.chat_number,
            session=item.session_number,
        )
        say_lines(item_lines(item, ends))
        return True

    def targets(self, item: ReviewItem) -> Sequence[Target]:
        shown = decide.shown_state(self.conn, item.id_chat_file, item.session_number)
        if item.session_number is not None:
            return [Target("", partial(self._decide, item, shown, None))]
        return [
            Target(scope_line(offer), partial(self._decide, item, shown, offer.scope), offer)
            for offer in decide.scope_offers(self.conn, item.id_chat_file)
        ]

    def _decide(
        self, item: ReviewItem, shown: ShownState, scope: DecisionScope | None, answer: ReviewAnswer
    ) -> DecisionOutcome:
        kind: DecisionKind
        if item.session_number is None:
            kind = "no_contact" if answer.chosen is None else "contact"
        else:
            kind = "no_order" if answer.chosen is None else "order"
        wanted = ChatDecision(
            item.id_chat_file,
            kind,
            answer.chosen,
            answer.reason,
            self.by,
            scope,
            session=item.session_number,
            nobody_kind=answer.nobody,
        )
        return decide.make_decision(self.conn, wanted, shown=shown)

    def snooze(self, item: ReviewItem, until: datetime) -> None:
        chat_state.snooze(self.conn, item.id_chat_file, item.session_number, reviewer=self.by, until=until)
