"""`webhook`: receive, list and replay webhook deliveries, and test their storage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.database_option import current_url, require_free
from whatsapp_pipeline.cli.output import say, say_json
from whatsapp_pipeline.cli.params import Group
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.privacy_key import require_common_key
from whatsapp_pipeline.store.connection import Connection, connect


@contextmanager
def _database() -> Iterator[Connection]:
    url = current_url(settings.load_settings())
    with connect(url, application_name="whatsapp-pipeline webhook") as conn:
        yield conn


@click.group(cls=Group)
def webhook() -> None:
    """Receive, list and replay webhook deliveries, and test their storage."""


@webhook.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on.")
@click.option("--insecure", is_flag=True, help="Accept unsigned bodies. Only for trials.")
def serve_command(host: str, port: int, insecure: bool) -> None:
    """Receive deliveries until the command is interrupted."""
    from whatsapp_pipeline.webhook import receiver

    configured = settings.load_settings()
    if not configured.whatsapp_enabled:
        say("WHATSAPP_ENABLED is false: nothing to serve")
        return
    config = receiver.config_from(configured, insecure=insecure)
    require_free(host, port, "--port")
    require_common_key(configured)
    if configured.several_hosts:
        _start_applying_erasures(configured)
    receiver.serve_receiver(
        config,
        _receiver_url,
        host=host,
        port=port,
        say=lambda text: say(text, err=True),
        refusal=_why_not_drained if configured.several_hosts else None,
    )


def _start_applying_erasures(configured: settings.Settings) -> None:
    """Start a thread that applies other hosts' erasures to this host's spool and quarantine."""
    import logging

    from whatsapp_pipeline.steps.operations.local_erasures import keep_applying

    log = logging.getLogger("whatsapp_pipeline.webhook.erasures")
    arguments = (pipeline_url(configured), configured)
    options = {"register": True, "stop": threading.Event(), "log": log}
    # A daemon thread may end at any time: an erasure that is not confirmed is applied again.
    threading.Thread(target=keep_applying, args=arguments, kwargs=options, daemon=True).start()


def _why_not_drained() -> str | None:
    """Return why the receiver must leave deliveries in the spool; None if it is current."""
    from whatsapp_pipeline.steps.operations.current_code import why_not_current

    return why_not_current(pipeline_url(settings.load_settings()))


def _receiver_url() -> str:
    """Return the database's URL.

    With DATABASE_URL, this does not connect: deliveries are accepted while the database is down.
    """
    configured = settings.load_settings()
    return pipeline_url(configured) if configured.database_url else current_url(configured)


@webhook.group(cls=Group)
def account_group() -> None:
    """Manage business numbers and the tenants to which they belong."""


@account_group.command("add")
@click.option("--phone-number-id", required=True, help="Meta's id of the business number.")
@click.option("--tenant", help="Name of the tenant. The tenant is created if it does not exist.")
def account_add(phone_number_id: str, tenant: str | None) -> None:
    """Add a business number, or enable it again. Deliveries that were parked for it are processed."""
    from whatsapp_pipeline.store.conversations import accounts, inbox

    with _database() as conn, conn.transaction():
        tenant_id = accounts.ensure_tenant(conn, tenant) if tenant else None
        accounts.add_account(conn, phone_number_id, tenant_id)
        waiting = inbox.unpark(conn, phone_number_id)
    say(f"{phone_number_id}: active; {waiting} parked deliveries will be processed")


@account_group.command("list")
def account_list() -> None:
    """List business numbers."""
    from whatsapp_pipeline.store.conversations import accounts

    with _database() as conn:
        rows = accounts.accounts(conn)
        if not rows:
            say("no business numbers; only MULTITENANT_ENABLED=true needs them", err=True)
        for row in rows:
            state = "active" if row.is_active else "disabled"
            say(f"{row.phone_number_id}\t{row.tenant or '-'}\t{state}")


@account_group.command("disable")
@click.option("--phone-number-id", required=True, help="Meta's id of the business number.")
def account_disable(phone_number_id: str) -> None:
    """Disable a business number. Deliveries to it are stored, but not processed."""
    from whatsapp_pipeline.store.conversations import accounts

    with _database() as conn:
        if not accounts.disable_account(conn, phone_number_id):
            raise PipelineError(
                f"there is no business number {phone_number_id}; `webhook account list` shows all"
            )
    say(f"{phone_number_id}: disabled; its deliveries are parked until it is added again")


@webhook.command()
@click.option("--dead", is_flag=True, help="All dead letters.")
@click.option("--id", "ids", type=int, multiple=True, help="One delivery, by its inbox id; repeatable.")
@click.option(
    "--since",
    type=click.DateTime(),
    metavar="TIME",
    help="Everything received since this local time: 2025-01-31, or '2025-01-31 08:00:00'.",
)
def replay_command(dead: bool, ids: tuple[int, ...], since: datetime | None) -> None:
    """Process deliveries again. Messages that are already stored are not stored twice."""
    from whatsapp_pipeline.store.conversations import inbox

    if not (dead or ids or since):
        raise click.UsageError("give --dead, --id or --since")
    moment = since.replace(tzinfo=settings.load_settings().tzinfo) if since else None
    with _database() as conn:
        say(f"{inbox.replay(conn, dead=dead, ids=ids, since=moment)} deliveries will be processed again")


@webhook.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inbox_status_command(as_json: bool) -> None:
    """Show the number of deliveries in each state, and of questions for the assistant.

    The states are: in the spool, in the inbox, dead, parked and in quarantine.
    """
    from whatsapp_pipeline.store.conversations import inbox
    from whatsapp_pipeline.store.conversations.assistant import question_status
    from whatsapp_pipeline.webhook import quarantine, spool
    from whatsapp_pipeline.webhook.drainer import damaged

    directory = spool.spool_directory(settings.load_settings())
    with _database() as conn:
        found = {**asdict(inbox.count_deliveries(conn))}
        letters = inbox.dead_letters(conn)
        questions = question_status(conn)
    found["questions_pending"] = questions.pending
    found["oldest_question_seconds"] = round(questions.oldest_pending_seconds, 1)
    found["questions_failed"], found["questions_expired"] = questions.failed, questions.expired
    found["spool_segments"] = len(spool.segments(directory))
    found["damaged_segments"] = len(damaged(directory))
    found["stray_files"] = len(spool.list_stray(directory))
    found["quarantined"] = quarantine.count_bodies(quarantine.quarantine_directory(directory))
    if as_json:
        say_json(found)
        return
    found["parked_accounts"] = ", ".join(found.pop("waiting_for")) or "none"
    found["oldest_pending_seconds"] = round(found["oldest_pending_seconds"], 1)
    for name, value in found.items():
        say(f"{name.replace('_', ' ')}: {value}")
    for inbox_id, received_at, attempts, error in letters:
        say(f"dead {inbox_id} ({received_at:%Y-%m-%d %H:%M}, {attempts} attempts): {error}")


@webhook.command()
def drain() -> None:
    """Move the deliveries of the spool into the inbox. A running receiver does this without the command.

    Deliveries that arrive while the command runs may stay in the spool.
    """
    from whatsapp_pipeline.webhook import spool
    from whatsapp_pipeline.webhook.drainer import drain_now

    directory = spool.spool_directory(settings.load_settings())
    with _database() as conn:
        if not drain_now(directory, conn):
            raise PipelineError(
                f"not all deliveries in the spool {directory} could be moved within 10 s; see "
                "`webhook status`"
            )
    say("all deliveries of the spool were moved into the inbox")


@webhook.command()
def process() -> None:
    """Process the deliveries in the inbox and answer the waiting questions now, without Dagster."""
    import logging

    from whatsapp_pipeline.assistant.client import assistant_from
    from whatsapp_pipeline.steps.conversations.answer_messages import answer_messages, limits_from
    from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions, process_due
    from whatsapp_pipeline.store.conversations.assistant import question_status

    configured = settings.load_settings()
    options = ProcessOptions(
        multitenant=configured.multitenant_enabled, ask_assistant=bool(configured.assistant_base_url)
    )
    log = logging.getLogger(__name__)
    with _database() as conn:
        counts = process_due(conn, options, log=log).counts()
        # The assistant comes after the deliveries, because a wrong setting of the assistant must not delay
        # them.
        if assistant := assistant_from(configured):
            limits = limits_from(configured)
            counts |= answer_messages(conn, assistant, limits=limits, log=log).counts()
            counts["questions_waiting"] = question_status(conn).pending
    say(
        ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in counts.items() if value) or "nothing"
    )


@webhook.group(cls=Group)
def answers() -> None:
    """List questions that wait for the assistant or that it did not answer, and retry them."""


@answers.command("list")
def answers_list() -> None:
    """List the latest questions that failed, expired or wait for a retry, with the reason."""
    from whatsapp_pipeline.store.conversations.assistant import failed_questions

    with _database() as conn:
        rows = failed_questions(conn)
    for message_id, state, attempts, reason in rows:
        say(f"message {message_id}\t{state}\t{attempts} attempts\t{reason}")
    if not rows:
        say("no question failed, expired or waits for a retry", err=True)


@answers.command()
def retry() -> None:
    """Queue failed and waiting questions again now.

    Questions are left out if they are a day old or no longer need an answer.
    """
    from whatsapp_pipeline.store.conversations.assistant import retry_failed

    with _database() as conn:
        say(f"{retry_failed(conn)} questions are queued; `webhook process` or the sensor asks them")


@webhook.command()
def verify() -> None:
    """Test the conversation functions on the database, and remove the test data afterwards."""
    from whatsapp_pipeline.steps.conversations.verify_conversations import verify_conversations

    with _database() as conn:
        for line in verify_conversations(conn):
            say(line)
