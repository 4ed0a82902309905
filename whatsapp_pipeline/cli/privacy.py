"""`privacy`: what the law lets a customer ask for, and which hosts have done it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import private_files, settings
from whatsapp_pipeline.cli.backup import cli_log
from whatsapp_pipeline.cli.database_option import migrated_url, open_database
from whatsapp_pipeline.cli.output import say, say_json
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.cli.privacy_files import (
    DELETE_EXPORTS,
    delete_exports_command,
    file_line,
    present_files,
    privacy_files_command,
)
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store.connection import connect

if TYPE_CHECKING:
    from whatsapp_pipeline.steps.operations.privacy import FindSubject
    from whatsapp_pipeline.store.operations.erasure_queue import ErasureHost


_APPLY_THERE = (
    "its receiver, worker or daemon does it when it next looks, or `whatsapp-pipeline privacy apply` there; "
    "`privacy status` shows when; if its disk no longer exists, `privacy forget-host`"
)


@click.group(cls=Group)
def privacy() -> None:
    """Export or erase one person's data."""


privacy.add_command(privacy_files_command, "files")
privacy.add_command(delete_exports_command, "delete-exports")


def _person_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of which one says whose data it is."""
    for option in (
        click.option("--conversation", type=int, help="Id of a webhook conversation that is no contact's."),
        click.option("--phone", help="Phone of somebody who is no contact: a lead, an unmatched number."),
        click.option("--contact", type=int, help="The contact's id in contatos."),
    ):
        command = option(command)
    return command


def _find(contact: int | None, phone: str | None, conversation: int | None) -> FindSubject:
    from whatsapp_pipeline.steps.operations import privacy as step

    if sum(given is not None for given in (contact, phone, conversation)) != 1:
        raise click.UsageError("give exactly one of --contact, --phone and --conversation")
    if contact is not None:
        return step.contact_finder(contact)
    if phone is not None:
        return step.phone(phone, default_area_code=settings.load_settings().default_area_code)
    return step.conversation(conversation or 0)


@privacy.command("export")
@_person_options
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: print]"
)
def export_person_command(
    contact: int | None, phone: str | None, conversation: int | None, out: Path | None
) -> None:
    """Give out everything that is held of a person, raw webhook deliveries included, as JSON.

    The file is registered: once the person is erased, `privacy status` names it until it is deleted.
    """
    from whatsapp_pipeline.shared_folder import LocalFolder
    from whatsapp_pipeline.steps.operations.data_files import place_in, registered
    from whatsapp_pipeline.steps.operations.local_erasures import other_hosts
    from whatsapp_pipeline.steps.operations.privacy import export_person, subject_hash
    from whatsapp_pipeline.store.operations.data_files import NewFile

    configured = settings.load_settings()
    find = _find(contact, phone, conversation)
    with open_database(configured) as conn, ExitStack() as stack:
        if out is not None:
            place = place_in(configured, LocalFolder(out.parent), out.name)
            new = NewFile("person", place, subject=subject_hash(conn, find))
            stack.enter_context(registered(conn, new, log=cli_log()))
        held = export_person(conn, configured, find)
        others = other_hosts(conn, configured)
        if out is not None:
            text = json.dumps(held, ensure_ascii=False, indent=1, default=str)
            private_files.replace_file(out, text + "\n")
    if others:
        say(f"not in this export: the files of {', '.join(others)}; export there, too", err=True)
    if out is None:
        say_json(held, default=str, indent=1)
        return
    say(f"{sum(len(rows) for rows in held.values())} rows → {out}")


@privacy.command("erase")
@_person_options
@click.option("--keep-contact-row", is_flag=True, help="Leave the row of contatos as it is.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def erase_command(
    contact: int | None, phone: str | None, conversation: int | None, keep_contact_row: bool, yes: bool
) -> None:
    """Erase a person's chats, messages, summaries, links, webhook data and saved ERP pages.

    Every number of the person is erased, and their messages in groups. A keyed hash stays, so that
    no later run brings the person back. What stays besides is named.
    """
    from whatsapp_pipeline.steps.operations.privacy import erase_person

    configured = settings.load_settings()
    find = _find(contact, phone, conversation)
    url = migrated_url(configured)  # said before the question, which would be answered in vain
    if not yes:
        who = f"contact {contact}" if contact is not None else "this person"
        click.confirm(f"Erase {who}? There is no way back", abort=True)
    with connect(url) as conn:
        erasure = erase_person(conn, configured, find, keep_contact_row=keep_contact_row, log=cli_log())
    say("erased:")
    for name, count in erasure.removed.items():
        say(f"  {name:<26} {count:>8,}")
    say("stays:")
    for name, reason in erasure.stays.items():
        say(f"  {name}: {reason}")
    if erasure.waiting:
        say("not yet erased from the files of:")
        for host in erasure.waiting:
            say(f"  {host.name}: {_APPLY_THERE}")
    # A host that has not confirmed deletes its reports by itself.
    waiting = {host.name for host in erasure.waiting}
    named = [file for file in erasure.outdated if file.kind != "report" or file.host not in waiting]
    if exports := [file for file in named if file.kind != "backup"]:
        say(f"files that may still hold this person; {DELETE_EXPORTS}:")
        for file in exports:
            say(f"  {file_line(file)}")
    if backups := {file.host for file in named if file.kind == "backup"}:
        hosts = ", ".join(sorted(backups))
        say(f"backups that may still hold this person: {hosts}; `privacy clean-backups` rewrites them there")


@privacy.command("apply")
def apply_erasures_command() -> None:
    """Erase people from the files of this host whom another host erased, and confirm it.

    These files are the webhook's spool and quarantine, saved ERP pages and QA reports. With several hosts the
    receiver, the workers and the daemon do this by themselves. A host that keeps such files is listed in
    `privacy status`.
    """
    from whatsapp_pipeline.steps.operations.local_erasures import apply_erasures

    configured = settings.load_settings()
    with open_database(configured) as conn:
        applied = apply_erasures(conn, configured, register=False, log=cli_log())
    if not applied.erasures:
        say(f"{configured.host}: nothing waits")
        return
    counts = ", ".join(f"{count} {name}" for name, count in applied.removed.items())
    say(f"{configured.host}: {applied.erasures} erasure(s) applied and confirmed ({counts})")


@privacy.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def privacy_status_command(as_json: bool) -> None:
    """Show which hosts keep copies of personal data, and which erasures they have not confirmed.

    Exports that may hold erased people are named, too. Ends with 1 as long as there is one, or as a host has
    not confirmed an erasure.
    """
    from whatsapp_pipeline.store.operations.erasure_queue import erasure_hosts

    with open_database(settings.load_settings()) as conn:
        hosts = erasure_hosts(conn)
        files = [file for file in present_files(conn) if file.outdated_at]
    if as_json:
        shown = [file._asdict() for file in files]
        say_json({"hosts": [host._asdict() for host in hosts], "outdated_files": shown}, default=str)
    else:
        for host in hosts:
            say(f"{host.name:<24} last seen {host.seen_at:%Y-%m-%d %H:%M}  {_state(host)}  {host.id}")
        if not hosts:
            say("no host is known to keep copies of personal data in files")
        for file in files:
            say(file_line(file))
        if any(file.kind in ("export", "person") for file in files):
            say(f"outdated exports: {DELETE_EXPORTS}")
        if any(file.kind == "backup" for file in files):
            say("outdated backups: `privacy clean-backups` rewrites them; without it they are rotated out")
    if any(host.unconfirmed for host in hosts) or any(
        file.outdated_by == "erasure" and file.kind != "backup" for file in files
    ):
        raise SystemExit(1)


def _state(host: ErasureHost) -> str:
    if host.oldest is None:
        return "all erasures confirmed"
    return f"{host.unconfirmed} erasure(s) not confirmed, since {host.oldest:%Y-%m-%d %H:%M}"


@privacy.command("forget-host")
@click.argument("host")
@click.option("--yes", is_flag=True, help="Don't ask.")
def forget_host_command(host: str, yes: bool) -> None:
    """Take HOST, a name or id of `privacy status`, off the list because its disk no longer exists.

    The files that are registered for a host of this name are forgotten, too.
    """
    from whatsapp_pipeline.store.operations.data_files import forget_files_of, registered_files
    from whatsapp_pipeline.store.operations.erasure_queue import erasure_hosts, forget_host

    with open_database(settings.load_settings()) as conn:
        hosts = erasure_hosts(conn)
        found = [known for known in hosts if host in (known.name, str(known.id))]
        name = found[0].name if found else host
        files = sum(file.host == name for file in registered_files(conn))
        if not found and not files:
            raise PipelineError(f"there is no host {host!r}; `whatsapp-pipeline privacy status` shows them")
        if len(found) > 1:
            raise PipelineError(
                f"{len(found)} hosts are called {host!r}; give the id that `privacy status` shows"
            )
        if not yes:
            click.confirm(f"Forget {host}? Copies on its disk are not erased any more", abort=True)
        for known in found:
            forget_host(conn, known.id)
        # Another host of this name may be the one that has the files.
        if sum(known.name == name for known in hosts) <= 1:
            forget_files_of(conn, name)
    say(f"{host}: forgotten")


@privacy.command("reapply")
def reapply() -> None:
    """Erase again everybody on the list from the database, as after restoring an old backup."""
    from whatsapp_pipeline.steps.operations.privacy import reapply_erasures

    configured = settings.load_settings()
    count = reapply_erasures(migrated_url(configured), configured, log=cli_log())
    say(f"{count} change(s): who is on the list is erased again")


@privacy.command("clean-backups")
def clean_backups_command() -> None:
    """Rewrite every kept backup without the people on the list; restoring does it by itself otherwise.

    Each backup is restored into a scratch database of the server, erased there and dumped again.
    """
    from whatsapp_pipeline.backups import backup_options
    from whatsapp_pipeline.steps.operations import privacy as step

    configured = settings.load_settings()
    options = backup_options(configured)
    rewritten = step.clean_backups(migrated_url(configured), configured, options, log=cli_log())
    for name in rewritten:
        say(f"{name}: rewritten")
    if not rewritten:
        say("no backup holds anybody on the list")


@privacy.command("audit")
def privacy_audit_command() -> None:
    """Show who exported or erased when; people are named by keyed hashes."""
    from whatsapp_pipeline.store.operations.privacy import audit_rows

    with open_database(settings.load_settings()) as conn:
        rows = audit_rows(conn)
    for row in rows:
        say(
            f"{row['at']:%Y-%m-%d %H:%M}  {row['actor']:<12} {row['action']:<16} "
            f"{(row['subject'] or '')[:12]}"
        )
    if not rows:
        say("nothing on record")
