"""Verdicts of the blind sample: comparing a person's answer with the link of the rules.

What belongs here: turning an answer into a verdict and its decisions, for the command and the console. What
does not: drawing links (store/links/precision_sample.py) and the bound (guaranteed_precision.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links.decide import (
    AlreadyDecidedError,
    ChatDecision,
    LinkVerdict,
    give_verdict,
    make_decision,
)
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import chat_state, precision_sample


@dataclass(frozen=True, slots=True)
class BlindAnswer:
    """The contact of a chat, chosen by a person who has not seen the link.

    `contact` is None if the chat belongs to no contact. `is_sure` is False if the person can't decide.
    """

    contact: int | None
    is_sure: bool
    note: str
    reviewer: str


@dataclass(frozen=True, slots=True)
class BlindOutcome:
    """The verdict, the link that was judged, and the months that must be linked again.

    `not_kept` is the reason why the decision for another contact could not be stored.
    """

    verdict: LinkVerdict
    id_contato: int
    method: str | None
    confidence: float | None
    months: tuple[str, ...] = ()
    not_kept: str | None = None


def judge_blind(conn: Connection, chat: int, answer: BlindAnswer) -> BlindOutcome:
    """Compare an answer with the link of the rules, and store the verdict, which is in force at once.

    A wrong link is refused, and the chat is linked to the contact of the answer, if it has one. Raises
    AlreadyDecidedError if the link already has a verdict or is no longer a link of the rules.
    """
    with conn.transaction():
        chat_state.lock_decisions(conn)
        link = precision_sample.unjudged_link(conn, chat)
        if link is None:
            raise AlreadyDecidedError(f"the link of chat {chat} was judged or changed after it was drawn")
        verdict: LinkVerdict = "unsure"
        if answer.is_sure:
            verdict = "right" if answer.contact == link.id_contato else "wrong"
        note = answer.note if verdict == "wrong" else None
        outcome = give_verdict(conn, chat, verdict, note=note, reviewer=answer.reviewer, is_blind=True)
        months = set(outcome.months) if outcome is not None else set()
        not_kept = None
        if verdict == "wrong" and answer.contact is not None:
            wanted = ChatDecision(chat, "contact", answer.contact, answer.note, answer.reviewer, "chat")
            try:
                months |= set(make_decision(conn, wanted).months)
            except PipelineError as error:
                not_kept = str(error)
        return BlindOutcome(
            verdict, link.id_contato, link.method, link.confidence, tuple(sorted(months)), not_kept
        )
