"""`privacy export|erase|reapply|audit`: what the law lets a customer ask for."""

from __future__ import annotations

import json
from pathlib import Path

import click

from whatsapp_pipeline import private_files, settings
from whatsapp_pipeline.cli.backup import cli_log
from whatsapp_pipeline.cli.output import say, say_json
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.store.connection import connect


@click.group(cls=Group)
def privacy() -> None:
    """Export or erase one contact's data."""


@privacy.command("export")
@click.option("--contact", type=int, required=True, help="The contact's id in contatos.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: print]"
)
def export(contact: int, out: Path | None) -> None:
    """Give out everything that is held of a contact, as JSON."""
    from whatsapp_pipeline.steps.operations.privacy import export_contact

    configured = settings.load()
    with connect(pipeline_url(configured)) as conn:
        held = export_contact(conn, configured, contact)
    if out is None:
        say_json(held, default=str, indent=1)
        return
    text = json.dumps(held, ensure_ascii=False, indent=1, default=str)
    private_files.write(out, text + "\n")
    say(f"{sum(len(rows) for rows in held.values())} rows → {out}")


@privacy.command("erase")
@click.option("--contact", type=int, required=True, help="The contact's id in contatos.")
@click.option("--keep-contact-row", is_flag=True, help="Leave the row of contatos as it is.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def erase(contact: int, keep_contact_row: bool, yes: bool) -> None:
    """Erase a contact's chats, messages, summaries, links, webhook data and saved ERP pages.

    A keyed hash stays, so that no later run brings the contact back. What stays besides is named.
    """
    from whatsapp_pipeline.steps.operations.privacy import erase_contact

    configured = settings.load()
    if not yes:
        click.confirm(f"Erase contact {contact}? There is no way back", abort=True)
    with connect(pipeline_url(configured)) as conn:
        erasure = erase_contact(conn, configured, contact, keep_contact_row=keep_contact_row, log=cli_log())
    say("erased:")
    for name, count in erasure.removed.items():
        say(f"  {name:<26} {count:>8,}")
    say("stays:")
    for name, reason in erasure.stays.items():
        say(f"  {name}: {reason}")


@privacy.command("reapply")
def reapply() -> None:
    """Erase again everybody on the list from the database, as after restoring an old backup."""
    from whatsapp_pipeline.steps.operations.privacy import reapply_erasures

    configured = settings.load()
    count = reapply_erasures(pipeline_url(configured), configured, log=cli_log())
    say(f"{count} contact(s) erased again")


@privacy.command("audit")
def audit() -> None:
    """Show who exported or erased when; people are named by keyed hashes."""
    from whatsapp_pipeline.store.operations.privacy import audit_rows

    with connect(pipeline_url(settings.load())) as conn:
        rows = audit_rows(conn)
    for row in rows:
        say(
            f"{row['at']:%Y-%m-%d %H:%M}  {row['actor']:<12} {row['action']:<16} "
            f"{(row['subject'] or '')[:12]}"
        )
    if not rows:
        say("nothing on record")
