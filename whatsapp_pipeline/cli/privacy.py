"""`privacy`: export and erase one person's data, and show which hosts have applied each erasure."""

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
    "the receiver, worker or daemon of that host erases them at its next check, or run `whatsapp-pipeline "
    "privacy apply` there; `privacy status` shows the state; if the disk of the host no longer exists, run "
    "`privacy forget-host`"
)


@click.group(cls=Group)
def privacy() -> None:
    """Export or erase one person's data."""


privacy.add_command(privacy_files_command, "files")
privacy.add_command(delete_exports_command, "delete-exports")


def _person_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that identify a person; exactly one of them must be given."""
    for option in (
        click.option("--conversation", type=int, help="Id of a webhook conversation without a contact."),
        click.option(
            "--phone", help="Phone of a person who is no contact, such as a lead or an unmatched number."
        ),
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
        return step.phone_finder(phone, default_area_code=settings.load_settings().default_area_code)
    return step.conversation_finder(conversation or 0)


@privacy.command("export")
@_person_options
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: print]"
)
def export_person_command(
    contact: int | None, phone: str | None, conversation: int | None, out: Path | None
) -> None:
    """Write all stored data about a person as JSON, including the raw webhook deliveries.

    The pipeline registers the file. After the person is erased, `privacy status` lists the file until it is
    deleted.
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
        say(f"this export lacks the files of {', '.join(others)}; run the export there, too", err=True)
    if out is None:
        say_json(held, default=str, indent=1)
        return
    say(f"{sum(len(rows) for rows in held.values())} rows → {out}")


@privacy.command("erase")
@_person_options
@click.option("--keep-contact-row", is_flag=True, help="Do not change the row of contatos.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def erase_command(
    contact: int | None, phone: str | None, conversation: int | None, keep_contact_row: bool, yes: bool
) -> None:
    """Erase a person's chats, messages, summaries, links, webhook data and saved ERP pages.

    All phones of the person are erased, and the person's messages in groups. A keyed hash is kept, so that no
    later run stores the person again. The command lists everything else that stays.
    """
    from whatsapp_pipeline.steps.operations.privacy import erase_person

    configured = settings.load_settings()
    find = _find(contact, phone, conversation)
    url = migrated_url(configured)  # an unfit database is reported before the question is asked
    if not yes:
        who = f"contact {contact}" if contact is not None else "this person"
        click.confirm(f"Erase {who}? This can't be undone", abort=True)
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
    # Reports are left out: a host that has not confirmed the erasure deletes its own reports.
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
    """Erase people whom another host erased from the files of this host, and confirm the erasures.

    These files are the webhook's spool and quarantine, saved ERP pages and QA reports. With several hosts,
    the receiver, the workers and the daemon do this without the command. `privacy status` lists the hosts
    that keep such files.
    """
    from whatsapp_pipeline.steps.operations.local_erasures import apply_erasures

    configured = settings.load_settings()
    with open_database(configured) as conn:
        applied = apply_erasures(conn, configured, register=False, log=cli_log())
    if not applied.erasures:
        say(f"{configured.host}: no erasure is waiting")
        return
    counts = ", ".join(f"{count} {name}" for name, count in applied.removed.items())
    say(f"{configured.host}: {applied.erasures} erasure(s) applied and confirmed ({counts})")


@privacy.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def privacy_status_command(as_json: bool) -> None:
    """Show which hosts keep copies of personal data, and which erasures each has not confirmed.

    Outdated files are listed, too: files that may contain erased people, or months that retention deleted.
    The exit status is 1 if a file other than a backup may contain erased people, or if a host has not
    confirmed an erasure.
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
            say("no host is registered that keeps copies of personal data in files")
        for file in files:
            say(file_line(file))
        if any(file.kind in ("export", "person") for file in files):
            say(f"outdated exports: {DELETE_EXPORTS}")
        if any(file.kind == "backup" for file in files):
            say(
                "outdated backups: `privacy clean-backups` rewrites them; otherwise they are deleted when "
                "the rotation reaches them"
            )
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
    """Remove a host whose disk no longer exists from the list.

    HOST is a name or id that `privacy status` shows.

    The files that are registered for a host of this name are removed from the list of files, too.
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
            click.confirm(f"Forget {host}? The pipeline will no longer erase copies on its disk", abort=True)
        for known in found:
            forget_host(conn, known.id)
        # If another host has the same name, the registered files may belong to it, so they are kept.
        if sum(known.name == name for known in hosts) <= 1:
            forget_files_of(conn, name)
    say(f"{host}: forgotten")


@privacy.command("reapply")
def reapply() -> None:
    """Erase everybody on the list of erased people from the database again, for example after a restore."""
    from whatsapp_pipeline.steps.operations.privacy import reapply_erasures

    configured = settings.load_settings()
    count = reapply_erasures(migrated_url(configured), configured, log=cli_log())
    say(f"everybody on the list was erased again ({count} rows changed)")


@privacy.command("clean-backups")
def clean_backups_command() -> None:
    """Rewrite every kept backup without the people on the list of erased people.

    If a backup was not rewritten, `restore` erases these people after it has loaded the backup. To rewrite a
    backup, the command restores it into a scratch database of the server, erases the people there, and dumps
    the database again.
    """
    from whatsapp_pipeline.backups import backup_options
    from whatsapp_pipeline.steps.operations import privacy as step

    configured = settings.load_settings()
    options = backup_options(configured)
    rewritten = step.clean_backups(migrated_url(configured), configured, options, log=cli_log())
    for name in rewritten:
        say(f"{name}: rewritten")
    if not rewritten:
        say("no backup has data of anybody on the list")


@privacy.command("audit")
def privacy_audit_command() -> None:
    """Show who exported or erased data, and when. The customers are shown as keyed hashes."""
    from whatsapp_pipeline.store.operations.privacy import audit_rows

    with open_database(settings.load_settings()) as conn:
        rows = audit_rows(conn)
    for row in rows:
        say(
            f"{row['at']:%Y-%m-%d %H:%M}  {row['actor']:<12} {row['action']:<16} "
            f"{(row['subject'] or '')[:12]}"
        )
    if not rows:
        say("no export or erasure is recorded")
