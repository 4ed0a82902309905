"""`override`: decide a link permanently, list decisions, withdraw a decision.

What belongs here: the commands and their options. What does not: the effect of a decision
(steps/links/decide.py).
"""

from __future__ import annotations

import functools
import getpass
import logging
import re
from collections.abc import Callable
from typing import NamedTuple

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.choices import choose_order
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json, say_lines
from whatsapp_pipeline.cli.params import Group, by_option
from whatsapp_pipeline.cli.review_item import effect_lines
from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links import decide
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import live_links
from whatsapp_pipeline.store.links import overrides as store


@click.group(cls=Group)
def override() -> None:
    """Decide links permanently. A decision outranks all evidence and stays in force in every later run."""


_NOBODY_KINDS = ("unregistered", "new_customer", "private_or_supplier", "wrong_number")
_reason_option = click.option("--reason", required=True, help="Why; it is always kept.")


class _TypedTarget(NamedTuple):
    """The target of a decision, as it was typed. `chat` is the number of one chat in a file."""

    kind: str
    text: str
    chat: int | None


class _TypedDecision(NamedTuple):
    """A decision, as it was typed.

    `value` is the id of a contact (int), the id or number of an order (text), or None.
    """

    kind: str
    value: int | str | None
    session: int | None
    nobody_kind: str | None


def _target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name the target of a decision. The command receives them as `typed_target`."""

    @click.option(
        "--file", help="The path of a file in the archive, or the end of the path if only one file has it."
    )
    @click.option("--phone", help="All chats with this phone; give the area code too.")
    @click.option(
        "--title",
        help="All chats with this title, whatever their phone. A known phone of a chat outranks this "
        "decision.",
    )
    @click.option(
        "--conversation", type=int, help="One live conversation, by the id that `review --live` shows."
    )
    @click.option(
        "--chat", type=click.IntRange(1), help="With --file: only the chat with this number in the file."
    )
    @functools.wraps(command)
    def with_target(
        *args: object,
        file: str | None,
        phone: str | None,
        title: str | None,
        conversation: int | None,
        chat: int | None,
        **kwargs: object,
    ) -> None:
        named = {
            "file": file,
            "phone": phone,
            "title": title,
            "conversation": None if conversation is None else str(conversation),
        }
        targets = [(kind, text) for kind, text in named.items() if text is not None]
        if len(targets) != 1:
            raise click.UsageError("give exactly one of --file, --phone, --title and --conversation")
        if chat is not None and file is None:
            raise click.UsageError("--chat goes with --file")
        command(*args, typed_target=_TypedTarget(*targets[0], chat), **kwargs)

    return with_target


def _decision_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what is decided. The command receives them as `typed_decision`."""

    @click.option("--contact", type=int, help="The chat belongs to this contact (contatos.id).")
    @click.option("--no-contact", is_flag=True, help="The chat belongs to no contact.")
    @click.option(
        "--not-contact",
        type=int,
        help="The chat does not belong to this contact. Nothing is decided about other contacts.",
    )
    @click.option(
        "--nobody-kind",
        type=click.Choice(_NOBODY_KINDS),
        help="With --no-contact: the kind of person who wrote.",
    )
    @click.option(
        "--order",
        metavar="ID|NUMBER",
        help="The chat is about this order (its id or its numero_ordem_servico).",
    )
    @click.option("--no-order", is_flag=True, help="The chat is about no order.")
    @click.option("--not-order", metavar="ID|NUMBER", help="The chat is not about this order.")
    @click.option(
        "--session",
        type=click.IntRange(1),
        help="With a decision on an order: only the session with this number.",
    )
    @functools.wraps(command)
    def with_decision(
        *args: object,
        contact: int | None,
        no_contact: bool,
        not_contact: int | None,
        order: str | None,
        no_order: bool,
        not_order: str | None,
        session: int | None,
        nobody_kind: str | None,
        **kwargs: object,
    ) -> None:
        given: dict[str, int | str | bool | None] = {
            "contact": contact,
            "no_contact": no_contact,
            "not_contact": not_contact,
            "order": order,
            "no_order": no_order,
            "not_order": not_order,
        }
        command(*args, typed_decision=_chosen_decision(given, session, nobody_kind), **kwargs)

    return with_decision


def _chosen_decision(
    given: dict[str, int | str | bool | None], session: int | None, nobody_kind: str | None
) -> _TypedDecision:
    """Return the only decision that was given. Options that do not fit it are a usage error."""
    chosen = [(kind, value) for kind, value in given.items() if value is not None and value is not False]
    if len(chosen) != 1:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"give exactly one of {options}")
    kind, value = chosen[0]
    if session is not None and "order" not in kind:
        raise click.UsageError("--session goes with a decision on an order")
    if nobody_kind is not None and kind != "no_contact":
        raise click.UsageError("--nobody-kind goes with --no-contact")
    return _TypedDecision(kind, None if value is True else value, session, nobody_kind)


@override.command()
@_target_options
@_decision_options
@_reason_option
@by_option("decides")
def add_command(
    typed_target: _TypedTarget, typed_decision: _TypedDecision, reason: str, by: str | None
) -> None:
    """Decide a link, and link the months that it affects again.

    An earlier decision on the same target is superseded.
    """
    if not reason.strip():
        raise click.UsageError("--reason must say why")
    with open_database(settings.load_settings()) as conn:
        new = store.NewOverride(
            typed_target.kind,
            _resolve_target(conn, typed_target.kind, typed_target.text),
            typed_decision.kind,
            _resolve_id(conn, typed_decision.value),
            reason.strip(),
            by or getpass.getuser(),
            typed_target.chat,
            typed_decision.session,
            typed_decision.nobody_kind,
        )
        outcome = decide.add_override(conn, new)
        _link_again(conn, outcome)
        months = store.chats_of(conn, outcome.id_override)
        live = live_links.conversations_of(conn, outcome.id_override)
    found = ", ".join(f"{month} ({count})" for month, count in months)
    say(
        f"override {outcome.id_override} is in force; it is about "
        + (f"chats of {found}" if found else "no chat yet")
        + (f" and {live} live conversation(s)" if live else "")
    )
    say_lines(effect_lines(outcome))


def _resolve_id(conn: Connection, value: int | str | None) -> int | None:
    """Return the id of a contact as it is. For the id or number of an order, return the order's id."""
    return choose_order(conn, value) if isinstance(value, str) else value


def _link_again(conn: Connection, outcome: decide.DecisionOutcome) -> None:
    decide.relink_months(
        conn,
        outcome.months,
        default_area_code=settings.load_settings().default_area_code,
        log=logging.getLogger(__name__),
    )


def _resolve_target(conn: Connection, kind: str, target: str) -> str:
    """Return the target to store for the typed target.

    Raises PipelineError with the reason if the target is wrong.
    """
    if kind == "phone":
        if re.fullmatch(r"\d{10}|xx\d{8}|\+\d{6,15}|lid:\d+", target):
            return target
        phone = parse_phone(target, default_area_code=settings.load_settings().default_area_code)
        if phone is None or phone.key is None:
            raise PipelineError("override: --phone is no phone that can be matched; write +55 41 90000-0000")
        return phone.key
    if kind == "conversation":
        found = live_links.live_target(conn, int(target))
        if found is None:
            raise PipelineError(
                f"override: there is no live conversation {target}; `review --live` lists them"
            )
        return found
    if kind == "file":
        paths = store.path_of(conn, target)
        if len(paths) > 1:
            raise PipelineError(
                "override: the paths of several files end with this text; give the whole path in the archive"
            )
        return paths[0] if paths else target
    return target


@override.command("list")
@click.option("--all", "all_", is_flag=True, help="Also list decisions that were superseded or withdrawn.")
@click.option("--json", "as_json", is_flag=True, help="Print the decisions as one JSON array.")
def list_overrides_command(all_: bool, as_json: bool) -> None:
    """List the decisions in force, oldest first."""
    with open_database(settings.load_settings()) as conn:
        rows = store.list_all(conn, removed=all_)
    if as_json:
        say_json([row._asdict() for row in rows], default=str)
        return
    for row in rows:
        number = row.id_contato if row.id_contato is not None else row.id_ordem_servico
        what = row.decision.replace("_", " ") + (f" {number}" if number is not None else "")
        what += f", {row.nobody_kind.replace('_', ' ')}" if row.nobody_kind else ""
        where = f"{row.target_kind} {row.target}"
        where += f" chat {row.chat_number}" if row.chat_number else ""
        where += f" session {row.session_number}" if row.session_number else ""
        say_lines([f"{row.id:>5}  {row.made_at:%Y-%m-%d}  {row.made_by}: {where} → {what} ({row.reason})"])
        if row.superseded_by is not None:
            say(f"       superseded {row.removed_at:%Y-%m-%d} by override {row.superseded_by}")
        elif row.removed_at is not None:
            say(f"       withdrawn {row.removed_at:%Y-%m-%d} by {row.removed_by}: {row.removed_reason}")
    if not rows:
        say("no overrides")


@override.command()
@click.argument("override_id", type=int)
@_reason_option
@by_option("withdraws it")
def remove_command(override_id: int, reason: str, by: str | None) -> None:
    """Withdraw a decision. The decision that it superseded is in force again.

    The withdrawn decision stays in the list of all decisions. The months that it affects are linked again.
    """
    if not reason.strip():
        raise click.UsageError("--reason must say why")
    with open_database(settings.load_settings()) as conn:
        outcome = decide.undo_decision(
            conn, override_id, reason=reason.strip(), removed_by=by or getpass.getuser()
        )
        _link_again(conn, outcome)
    months = ", ".join(outcome.months)
    say(f"override {override_id} is withdrawn" + (f"; {months} linked again" if months else ""))
