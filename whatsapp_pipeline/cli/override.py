"""`override`: decide a link for good, list decisions, take a decision back.

What belongs here: reading the command line. What does not: what a decision does (steps/links/decide.py).
"""

from __future__ import annotations

import getpass
import logging
import re

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.choices import choose_order
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json, say_lines
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.cli.review_item import effect_lines
from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.links import decide
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import live_links
from whatsapp_pipeline.store.links import overrides as store


@click.group(cls=Group)
def override() -> None:
    """Decide links for good: they outrank all evidence and survive every re-run."""


_NOBODY_KINDS = ("unregistered", "new_customer", "private_or_supplier", "wrong_number")


@override.command()
@click.option("--file", "file", help="The file's path in the archive, or its end if that is unique.")
@click.option("--phone", help="Every chat with this phone, area code included.")
@click.option("--title", help="Every chat with this title, whoever wrote it; a known phone outranks it.")
@click.option("--conversation", type=int, help="One live conversation, by its id (`review --live`).")
@click.option("--contact", type=int, help="The chat is this contact's (contatos.id).")
@click.option("--no-contact", is_flag=True, help="The chat is no contact's.")
@click.option("--not-contact", type=int, help="The chat is not this contact's, whoever else's it is.")
@click.option("--nobody-kind", type=click.Choice(_NOBODY_KINDS), help="With --no-contact: who wrote instead.")
@click.option(
    "--order", metavar="ID|NUMBER", help="The chat is about this order: id, or numero_ordem_servico."
)
@click.option("--no-order", is_flag=True, help="The chat is about no order.")
@click.option("--not-order", metavar="ID|NUMBER", help="The chat is not about this order.")
@click.option("--reason", required=True, help="Why; it is always kept.")
@click.option("--by", help="Who decides. Left out: your user name.")
@click.option("--chat", type=click.IntRange(1), help="With --file: only this chat of it.")
@click.option("--session", type=click.IntRange(1), help="With a decision on an order: only this session.")
def add_command(  # noqa: PLR0913, PLR0917  # one parameter an option of a stable command line
    file: str | None,
    phone: str | None,
    title: str | None,
    contact: int | None,
    no_contact: bool,
    not_contact: int | None,
    nobody_kind: str | None,
    order: str | None,
    no_order: bool,
    not_order: str | None,
    reason: str,
    by: str | None,
    chat: int | None,
    session: int | None,
    conversation: int | None,
) -> None:
    """Decide a link, and link the months it is about again. A decision before it is superseded."""
    named = {
        "file": file,
        "phone": phone,
        "title": title,
        "conversation": None if conversation is None else str(conversation),
    }
    targets = {kind: target for kind, target in named.items() if target is not None}
    if len(targets) != 1:
        raise click.UsageError("give exactly one of --file, --phone, --title and --conversation")
    given: dict[str, int | str | bool | None] = {
        "contact": contact,
        "no_contact": no_contact,
        "not_contact": not_contact,
        "order": order,
        "no_order": no_order,
        "not_order": not_order,
    }
    chosen = {name: value for name, value in given.items() if value is not None and value is not False}
    if len(chosen) != 1:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"give exactly one of {options}")
    decision, value = next(iter(chosen.items()))
    if not reason.strip():
        raise click.UsageError("--reason must say why")
    if session is not None and "order" not in decision:
        raise click.UsageError("--session goes with a decision on an order")
    if chat is not None and "file" not in targets:
        raise click.UsageError("--chat goes with --file")
    if nobody_kind is not None and decision != "no_contact":
        raise click.UsageError("--nobody-kind goes with --no-contact")
    kind, target = next(iter(targets.items()))
    with open_database(settings.load_settings()) as conn:
        new = store.NewOverride(
            kind,
            _resolve(conn, kind, target),
            decision,
            _id_of(conn, value),
            reason.strip(),
            by or getpass.getuser(),
            chat,
            session,
            nobody_kind,
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


def _id_of(conn: Connection, value: object) -> int | None:
    """Return the contact's id as it was given, or find the order by id or number."""
    if isinstance(value, str):
        return choose_order(conn, value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _link_again(conn: Connection, outcome: decide.DecisionOutcome) -> None:
    decide.relink_months(
        conn,
        outcome.months,
        default_area_code=settings.load_settings().default_area_code,
        log=logging.getLogger(__name__),
    )


def _resolve(conn: Connection, kind: str, target: str) -> str:
    """Return the target to store for a typed one; raises PipelineError with the reason if it is wrong."""
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
            raise PipelineError(f"override: there is no live conversation {target}; `review --live` has them")
        return found
    if kind == "file":
        paths = store.path_of(conn, target)
        if len(paths) > 1:
            raise PipelineError("override: several files end like this; give the whole path in the archive")
        return paths[0] if paths else target
    return target


@override.command("list")
@click.option("--all", "all_", is_flag=True, help="Also what was superseded or taken back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_overrides_command(all_: bool, as_json: bool) -> None:
    """List the decisions in force, the oldest first."""
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
            say(f"       taken back {row.removed_at:%Y-%m-%d} by {row.removed_by}: {row.removed_reason}")
    if not rows:
        say("no overrides")


@override.command()
@click.argument("override_id", type=int)
@click.option("--reason", required=True, help="Why; it is always kept.")
@click.option("--by", help="Who takes it back. Left out: your user name.")
def remove_command(override_id: int, reason: str, by: str | None) -> None:
    """Take any past decision back; the decision that it superseded is in force again.

    It stays on record. The months that it is about are linked again.
    """
    if not reason.strip():
        raise click.UsageError("--reason must say why")
    with open_database(settings.load_settings()) as conn:
        outcome = decide.undo_decision(
            conn, override_id, reason=reason.strip(), removed_by=by or getpass.getuser()
        )
        _link_again(conn, outcome)
    months = ", ".join(outcome.months)
    say(f"override {override_id} is taken back" + (f"; {months} linked again" if months else ""))
