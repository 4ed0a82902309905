"""`override`: decide a link for good, list what was decided, take a decision back."""

from __future__ import annotations

import getpass
import re

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import open_database
from whatsapp_pipeline.cli.output import say, say_json, say_lines
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import overrides as store


@click.group(cls=Group)
def override() -> None:
    """Decide links for good: they outrank all evidence and survive every re-run."""


@override.command()
@click.option("--file", "file", help="The file's path in the archive, or its end if that is unique.")
@click.option("--phone", help="Every chat with this phone, area code included.")
@click.option("--title", help="Every chat with this title.")
@click.option("--contact", type=int, help="The chat is this contact's (contatos.id).")
@click.option("--no-contact", is_flag=True, help="The chat is no contact's.")
@click.option("--order", type=int, help="The chat is about this order (ordens_servico.id).")
@click.option("--no-order", is_flag=True, help="The chat is about no order.")
@click.option("--reason", required=True, help="Why; kept for ever.")
@click.option("--by", help="Who decides. Left out: your user name.")
@click.option("--chat", type=click.IntRange(1), help="With --file: only this chat of it.")
@click.option("--session", type=click.IntRange(1), help="With --order or --no-order: only this session.")
def add(  # noqa: PLR0913, PLR0917  # one parameter an option of a stable command line
    file: str | None, phone: str | None, title: str | None, contact: int | None, no_contact: bool,
    order: int | None, no_order: bool, reason: str, by: str | None, chat: int | None, session: int | None,
) -> None:  # fmt: skip
    """Decide a link; it holds from the next linking of its month on. A decision before it is superseded."""
    targets = {k: v for k, v in (("file", file), ("phone", phone), ("title", title)) if v is not None}
    if len(targets) != 1:
        raise click.UsageError("give exactly one of --file, --phone and --title")
    if sum((contact is not None, no_contact, order is not None, no_order)) != 1:
        raise click.UsageError("give exactly one of --contact, --no-contact, --order and --no-order")
    if not reason.strip():
        raise click.UsageError("--reason must say why")
    decision = (
        "contact" if contact is not None else "no_contact" if no_contact
        else "order" if order is not None else "no_order"
    )  # fmt: skip
    if session is not None and decision in ("contact", "no_contact"):
        raise click.UsageError("--session goes with --order or --no-order")
    if chat is not None and "file" not in targets:
        raise click.UsageError("--chat goes with --file")
    kind, target = next(iter(targets.items()))
    with open_database(settings.load()) as conn:
        resolved = _resolve(conn, kind, target)
        id_ = store.add(
            conn,
            store.NewOverride(
                kind, resolved, decision, contact if contact is not None else order, reason.strip(),
                by or getpass.getuser(), chat, session,
            ),
        )  # fmt: skip
        months = store.chats_of(conn, id_)
    found = ", ".join(f"{month} ({count})" for month, count in months)
    say(f"override {id_} is in force; it is about " + (f"chats of {found}" if found else "no chat yet"))


def _resolve(conn: Connection, kind: str, target: str) -> str:
    """Turn what was typed into what is stored, or say what is wrong with it."""
    if kind == "phone":
        if re.fullmatch(r"\d{10}|xx\d{8}|\+\d{6,15}|lid:\d+", target):
            return target
        phone = parse_phone(target, default_area_code=settings.load().default_area_code)
        if phone is None or phone.key is None:
            raise PipelineError("override: --phone is no phone that can be matched; write +55 41 90000-0000")
        return phone.key
    if kind == "file":
        paths = store.path_of(conn, target)
        if len(paths) > 1:
            raise PipelineError("override: several files end like this; give the whole path in the archive")
        return paths[0] if paths else target
    return target


@override.command("list")
@click.option("--all", "all_", is_flag=True, help="Also what was superseded or taken back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(all_: bool, as_json: bool) -> None:
    """List the decisions in force, the oldest first."""
    with open_database(settings.load()) as conn:
        rows = store.list_all(conn, removed=all_)
    if as_json:
        say_json([row._asdict() for row in rows], default=str)
        return
    for row in rows:
        number = row.id_contato if row.decision == "contact" else row.id_ordem_servico
        what = row.decision.replace("_", " ") + (f" {number}" if number is not None else "")
        where = f"{row.target_kind} {row.target}"
        where += f" chat {row.chat_number}" if row.chat_number else ""
        where += f" session {row.session_number}" if row.session_number else ""
        say_lines([f"{row.id:>5}  {row.made_at:%Y-%m-%d}  {row.made_by}: {where} → {what} ({row.reason})"])
        if row.removed_at is not None:
            back = f"       taken back {row.removed_at:%Y-%m-%d} by {row.removed_by}: {row.removed_reason}"
            say_lines([back])
    if not rows:
        say("no overrides")


@override.command()
@click.argument("override_id", type=int)
@click.option("--reason", required=True, help="Why; kept for ever.")
@click.option("--by", help="Who takes it back. Left out: your user name.")
def remove(override_id: int, reason: str, by: str | None) -> None:
    """Take a decision back; it stays on record."""
    if not reason.strip():
        raise click.UsageError("--reason must say why")
    with open_database(settings.load()) as conn:
        if not store.remove(conn, override_id, reason=reason.strip(), removed_by=by or getpass.getuser()):
            raise PipelineError(f"override {override_id} is not in force; see `override list --all`")
    say(f"override {override_id} is taken back; its chats are decided anew when their month is linked")
