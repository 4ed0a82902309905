"""Displaying an item in `review`, and reading keys.

What belongs here: lines for the terminal, and reading a key. What does not: the queue and the effect of an
answer (steps/links/).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from whatsapp_pipeline.cli.link import signed, waterfall
from whatsapp_pipeline.cli.output import say, say_lines
from whatsapp_pipeline.domain.matching.link_types import Feature
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links.chat_ends import ChatEnds
from whatsapp_pipeline.steps.links.decide import DecisionOutcome, NobodyKind, ScopeOffer
from whatsapp_pipeline.steps.links.scope_effects import ScopeEffect
from whatsapp_pipeline.store.links.review import ReviewItem

NOBODY_KEYS: dict[str, tuple[NobodyKind, str]] = {
    "1": ("unregistered", "a customer who is not in the register"),
    "2": ("new_customer", "a new customer"),
    "3": ("private_or_supplier", "private, or a supplier"),
    "4": ("wrong_number", "a wrong number"),
}


def item_lines(item: ReviewItem, ends: ChatEnds) -> Iterator[str]:
    """Yield the lines of an item: title, status, path, first and last lines, candidates."""
    days = (
        f"{item.first_at:%Y-%m-%d} to {item.last_at:%Y-%m-%d}"
        if item.first_at and item.last_at
        else "no dates"
    )
    what = f"chat {item.id_chat_file}" + (f", session {item.session_number}" if item.session_number else "")
    yield f"{item.title}   {what}: {item.status}, {item.messages} messages, {days}"
    yield f"   file: {item.file_path}"
    if item.session_number is not None:
        yield f"   contact {item.id_contato}"
    if item.flags:
        yield f"   flags: {', '.join(item.flags)}"
    yield from end_lines(ends)
    for rank, candidate in enumerate(item.candidates, 1):
        label = contact_label(candidate) if item.session_number is None else order_label(candidate)
        yield f"   {rank}  {candidate['confidence']:.2f}  {label}"
        strongest = sorted(candidate["evidence"], key=lambda feature: -abs(feature["weight"]))[:2]
        for feature in strongest:
            yield f"            {signed(feature['weight'], 0, 1)} {feature['words']}"


def end_lines(ends: ChatEnds) -> Iterator[str]:
    """Yield the first and last lines of a chat."""
    for line in ends.first:
        yield f"   | {line}"
    if ends.last:
        yield "   | …"
    for line in ends.last:
        yield f"   | {line}"


def contact_label(candidate: dict[str, Any]) -> str:
    """Return names, id and phones of a contact."""
    names = " / ".join(name for name in (candidate["nome"], candidate["fantasia"]) if name)
    phones = " ".join(phone for phone in (candidate["celular"], candidate["telefone"]) if phone)
    return f"{names} ({candidate['id']})  {phones}".rstrip()


def order_label(candidate: dict[str, Any]) -> str:
    """Return number, id, day, device and status of a service order."""
    said = (candidate["data_emissao"], candidate["equipamento"], candidate["situacao"])
    details = ", ".join(value for value in said if value)
    return f"order {candidate['numero'] or '–'} (id {candidate['id']})  {details}".rstrip()


def scope_line(offer: ScopeOffer) -> str:
    """Return the target of a decision as text, with the number of chats and messages."""
    chats = {
        "chat": "this chat only",
        "phone": f"every chat of the phone {offer.target}",
        "title": "EVERY chat with this title, whatever its phone",
    }[offer.scope]
    months = ", ".join(offer.months[:6]) + (" …" if len(offer.months) > 6 else "")
    linked = [
        f"{count} now linked to contact {contact}"
        for contact, count in offer.linked_now
        if contact is not None
    ]
    moved = f" ({', '.join(linked[:3])})" if linked else ""
    return (
        f"   the decision will apply to {chats}: {offer.chats} chat(s){moved}, "
        f"{offer.messages:,} messages, {months}"
    )


def effect_line(effect: ScopeEffect) -> str:
    """Return the effect that a decision would have, as one line."""
    parts = [f"{chats} move(s) from contact {contact}" for contact, chats in effect.moved]
    if effect.kept:
        parts.append(f"{effect.kept} other(s) keep another decision")
    if effect.pending:
        parts.append(f"{effect.pending} other(s) would be pending until the rules decide again")
    more = "".join(f"; {part}" for part in parts)
    return f"   the decision would apply to {effect.chats} chat(s), {effect.messages:,} messages{more}"


def effect_lines(outcome: DecisionOutcome) -> list[str]:
    """Return a line about chats that keep another decision, and one about pending ones."""
    lines = []
    if outcome.outranked:
        lines.append(
            f"{len(outcome.outranked)} chat(s) are not changed: another decision or link is in force"
        )
    if outcome.pending:
        lines.append(f"{len(outcome.pending)} chat(s) are pending until the rules decide again")
    return lines


def show_evidence(item: ReviewItem) -> None:
    """Print all features of every candidate, with the running sum of the match weights."""
    what = "contact" if item.session_number is None else "order"
    for candidate in item.candidates:
        say(f"   {what} {candidate['id']}: {candidate['confidence']:.3f} by {candidate['method']}")
        say_lines(f"   {line}" for line in waterfall([Feature(**f) for f in candidate["evidence"]]))


def read_key(allowed: str) -> str:
    """Wait for one of the keys and return it. Ctrl-C, Ctrl-D and the end of input return "q"."""
    while True:
        try:
            key = click.getchar()
        except OSError as error:
            raise PipelineError(
                "review needs a terminal, because it waits for keys; without a terminal, use `override add`"
            ) from error
        if key in ("\x03", "\x04", ""):
            return "q"
        if key in allowed:
            return key


def read_reason(usual: str) -> str:
    """Ask for the reason. An empty answer returns the default."""
    given = click.prompt("why", default=usual, show_default=True)
    return str(given).strip() or usual


def digits(candidates: Sequence[object]) -> str:
    """Return the keys that choose a candidate."""
    return "".join(str(rank) for rank in range(1, min(len(candidates), 9) + 1))
