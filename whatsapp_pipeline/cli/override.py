"""`override`: decide a link permanently, list decisions, withdraw a decision.

What belongs here: the commands and their options. What does not: the effect of a decision
(steps/links/decide.py).
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
    """Decide links permanently. A decision outranks all evidence and stays in force in every later run."""


_NOBODY_KINDS = ("unregistered", "new_customer", "private_or_supplier", "wrong_number")


@override.command()
@click.option(
    "--file",
    "file",
    help="The path of a file in the archive, or the end of the path if only one file has it.",
)
@click.option("--phone", help="All chats with this phone; give the area code too.")
@click.option(
    "--title",
    help="All chats with this title, whatever their phone. A known phone of a chat outranks this decision.",
)
@click.option("--conversation", type=int, help="One live conversation, by the id that `review --live` shows.")
@click.option("--contact", type=int, help="The chat belongs to this contact (contatos.id).")
@click.option("--no-contact", is_flag=True, help="The chat belongs to no contact.")
@click.option(
    "--not-contact",
    type=int,
    help="The chat does not belong to this contact. Nothing is decided about other contacts.",
)
@click.option(
    "--nobody-kind", type=click.Choice(_NOBODY_KINDS), help="With --no-contact: the kind of person who wrote."
)
@click.option(
    "--order", metavar="ID|NUMBER", help="The chat is about this order (its id or its numero_ordem_servico)."
)
@click.option("--no-order", is_flag=True, help="The chat is about no order.")
@click.option("--not-order", metavar="ID|NUMBER", help="The chat is not about this order.")
@click.option("--reason", required=True, help="Why; it is always kept.")
@click.option("--by", help="Name of the person who decides.  [default: your login name on this machine]")
@click.option(
    "--chat", type=click.IntRange(1), help="With --file: only the chat with this number in the file."
)
@click.option(
    "--session",
    type=click.IntRange(1),
    help="With a decision on an order: only the session with this number.",
)
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
    """Decide a link, and link the months that it affects again.

    An earlier decision on the same target is superseded.
    """
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
    """Return the given id of a contact, or find the order by id or number."""
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
@click.option("--reason", required=True, help="Why; it is always kept.")
@click.option("--by", help="Name of the person who withdraws it.  [default: your login name on this machine]")
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
