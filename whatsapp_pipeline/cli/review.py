"""`review`: chats and sessions that wait for a person, with one key per decision.

What belongs here: the order of questions and answers. What does not: the display of an item (review_item.py)
and the effect of an answer (steps/links/decide.py).
"""

from __future__ import annotations

import getpass
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.cli.choices import choose_order
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.cli.params import MONTH, Group
from whatsapp_pipeline.cli.review_item import (
    NOBODY_KEYS,
    digits,
    item_lines,
    outranked_words,
    read_key,
    read_reason,
    scope_line,
    show_evidence,
)
from whatsapp_pipeline.cli.review_live import review_conversations
from whatsapp_pipeline.cli.review_sample import judge_sample
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links import decide
from whatsapp_pipeline.steps.links.chat_ends import chat_ends
from whatsapp_pipeline.steps.links.decide import ChatDecision, DecisionKind, NobodyKind
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import chat_state
from whatsapp_pipeline.store.links.review import ReviewItem, queue
from whatsapp_pipeline.store.operations import status

_SNOOZE = timedelta(days=7)
_SAMPLE = 20
_CHAT_KEYS = (
    "1-9 that contact · o another contact · n nobody · t scope · e evidence · s put off a week · u undo · "
    "q quit"
)
_SESSION_KEYS = (
    "1-9 that order · o another order · n no order · e evidence · s put off a week · u undo · q quit"
)


@click.group(cls=Group, invoke_without_command=True)
@click.option("--month", type=MONTH, help="The month to review.")
@click.option("--limit", type=click.IntRange(1), help="Show no more than this number of items.")
@click.option("--by", help="Who decides. Left out: your user name.")
@click.option("--sample", is_flag=True, help="Judge links blind: the QA sample, of one month or of all.")
@click.option("--live", is_flag=True, help="Review live conversations, which belong to no month.")
@click.pass_context
def review(  # one parameter per option of a stable command line
    context: click.Context, month: str | None, limit: int | None, by: str | None, sample: bool, live: bool
) -> None:
    """Step through chats without a sure contact and sessions without a sure order, the most valuable first.

    A decision is about the chat's phone where it has one, otherwise about the chat alone; `t` changes that.
    It is kept for good with its reason; `override remove` takes it back. With --sample you say whose chat it
    is before the link and its score are shown: these verdicts guarantee the precision in the QA report.
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
        raise click.UsageError("give --month YYYY-MM, or --sample")
    with open_database(configured) as conn:
        reviewing = _Reviewing(conn, by or getpass.getuser(), _archive())
        items = queue(conn, [month], reviewer=reviewing.by, limit=limit)
        if not items:
            say(f"{month}: nothing is in doubt")
            return
        reviewing.step_through(items)
        again = reviewing.months
        if again:
            decide.relink_months(
                conn, again, default_area_code=configured.default_area_code, log=logging.getLogger(__name__)
            )
    linked = f", {', '.join(sorted(again))} linked again" if again else ""
    say(f"\n{reviewing.kept} decision(s) kept{linked}")


@review.command("record")
@click.argument("chat", type=int)
@click.argument("verdict", type=click.Choice(["right", "wrong", "unsure"]))
@click.option("--note", help="What you saw.")
@click.option("--by", help="Who says so. Left out: your user name.")
def record_command(chat: int, verdict: decide.LinkVerdict, note: str | None, by: str | None) -> None:
    """Record what you say of the link of CHAT, a number in the report's review sample.

    "wrong" unlinks the chat: its contact is refused for it, and the chat waits for a decision.
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
            f"its contact is refused for it (override {touched.id_override}; `override remove` takes that "
            f"back); the chat is now {state} and waits in `review`"
        )


def _archive() -> ChatArchive | None:
    """Return the archive, for chats whose messages are not loaded yet; None if none is set."""
    from whatsapp_pipeline.resources.sources import Archive

    try:
        return Archive().open()
    except PipelineError:
        return None


@dataclass
class _Reviewing:
    """One session of a reviewer: the decisions made, and the months that must be linked again."""

    conn: Connection
    by: str
    archive: ChatArchive | None
    kept: int = 0
    months: set[str] = field(default_factory=set)
    made: list[int] = field(default_factory=list)

    def step_through(self, items: list[ReviewItem]) -> None:
        for number, item in enumerate(items, 1):
            say(f"\n[{number}/{len(items)}]")
            ends = chat_ends(
                self.conn,
                self.archive,
                item.id_chat_file,
                item.file_path,
                item.chat_number,
                session=item.session_number,
            )
            say_lines(item_lines(item, ends))
            if not (self._chat(item) if item.session_number is None else self._session(item)):
                break

    def _chat(self, item: ReviewItem) -> bool:
        """Ask for the contact of the chat; return False to quit."""
        offers = decide.scope_offers(self.conn, item.id_chat_file)
        scope = 0
        shown = decide.shown_state(self.conn, item.id_chat_file)
        say(scope_line(offers[scope]))
        say(_CHAT_KEYS)
        while (key := read_key(digits(item.candidates) + "onetsuq")) != "q":
            if key == "t":
                scope = (scope + 1) % len(offers)
                say(scope_line(offers[scope]))
            elif key == "s":
                return self._put_off(item)
            elif self._common(item, key):
                continue
            else:
                contact, kind, nobody = self._contact(item, key)
                usual = self._usual_reason(item, contact)
                wanted = ChatDecision(
                    item.id_chat_file,
                    kind,
                    contact,
                    read_reason(usual),
                    self.by,
                    offers[scope].scope,
                    nobody_kind=nobody,
                )
                if self._keep(wanted, shown):
                    return True
        return False

    def _session(self, item: ReviewItem) -> bool:
        """Ask for the order of the session; return False to quit."""
        shown = decide.shown_state(self.conn, item.id_chat_file, item.session_number)
        say(_SESSION_KEYS)
        while (key := read_key(digits(item.candidates) + "onesuq")) != "q":
            if key == "s":
                return self._put_off(item)
            if self._common(item, key):
                continue
            order = self._order(item, key)
            if order is None and key != "n":
                continue
            wanted = ChatDecision(
                item.id_chat_file,
                "order" if order is not None else "no_order",
                order,
                read_reason(self._usual_reason(item, order)),
                self.by,
                session=item.session_number,
            )
            if self._keep(wanted, shown):
                return True
        return False

    def _common(self, item: ReviewItem, key: str) -> bool:
        if key == "e":
            show_evidence(item)
        elif key == "u":
            self._undo_last()
        else:
            return False
        return True

    def _contact(self, item: ReviewItem, key: str) -> tuple[int | None, DecisionKind, NobodyKind | None]:
        if key == "n":
            for number, (_, words) in NOBODY_KEYS.items():
                say(f"   {number}  {words}")
            return None, "no_contact", NOBODY_KEYS[self._nobody_key()][0]
        if key == "o":
            return int(click.prompt("contact id", type=click.IntRange(1))), "contact", None
        return int(item.candidates[int(key) - 1]["id"]), "contact", None

    def _nobody_key(self) -> str:
        key = read_key("".join(NOBODY_KEYS) + "q")
        return key if key in NOBODY_KEYS else "1"

    def _order(self, item: ReviewItem, key: str) -> int | None:
        if key == "n":
            return None
        if key == "o":
            typed = click.prompt("order (id or number)", type=str)
            try:
                return choose_order(self.conn, typed)
            except PipelineError as error:
                say(f"   {error}", err=True)
                return None
        return int(item.candidates[int(key) - 1]["id"])

    def _usual_reason(self, item: ReviewItem, chosen: int | None) -> str:
        rank = next((n for n, c in enumerate(item.candidates, 1) if c["id"] == chosen), None)
        said = "none" if chosen is None else f"number {rank}" if rank else "another"
        return f"review: {said} of {len(item.candidates)} candidate(s)"

    def _keep(self, wanted: ChatDecision, shown: decide.ShownState) -> bool:
        """Store the decision; return whether the item is decided, by this decision or another person's."""
        try:
            outcome = decide.make_decision(self.conn, wanted, shown=shown)
        except decide.AlreadyDecidedError as error:
            say(f"   {error}", err=True)
            return True
        except PipelineError as error:
            say(f"   not kept: {error}", err=True)
            return False
        self.kept += 1
        self.made.append(outcome.id_override)
        self.months.update(outcome.months)
        answer = wanted.kind.replace("_", " ") + (f" {wanted.id}" if wanted.id is not None else "")
        say(f"   kept as override {outcome.id_override}: {answer}, {len(outcome.chats)} chat(s)")
        if outcome.outranked:
            say(f"   {outranked_words(outcome)}")
        return True

    def _put_off(self, item: ReviewItem) -> bool:
        chat_state.snooze(
            self.conn,
            item.id_chat_file,
            item.session_number,
            reviewer=self.by,
            until=datetime.now(UTC) + _SNOOZE,
        )
        return True

    def _undo_last(self) -> None:
        if not self.made:
            say("   nothing was decided in this sitting; `override remove` takes back older decisions")
            return
        last = self.made.pop()
        outcome = decide.undo_decision(self.conn, last, reason="review: undone at once", removed_by=self.by)
        self.kept -= 1
        self.months.update(outcome.months)
        say(f"   override {last} is taken back")
