"""The webhook's sensor, jobs and daily retention.

What belongs here: requesting runs for deliveries and questions. What does not: processing them
(steps/conversations/). The sensor has no cursor, because its state is in the inbox: it requests a planned
batch again until the batch is finished. The run key has the batch and the attempt, because Dagster never
starts two runs with the same key.
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.automation.run_status import UNFINISHED
from whatsapp_pipeline.automation.schedule_factory import Job, at, once_a_day
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.webhook_inbox import WebhookInbox
from whatsapp_pipeline.run_tags import RETRIED, RETRIED_WHEN_LOST
from whatsapp_pipeline.store.conversations import inbox
from whatsapp_pipeline.store.conversations.assistant import QuestionStatus, question_status, settle_needless
from whatsapp_pipeline.webhook import quarantine, spool

BATCH_TAG = "webhook/batch"
ATTEMPT_TAG = "webhook/attempt"
ANSWERS_TAG = "webhook/answers"
INTERVAL_SECONDS = 5
# Days after receipt until raw bodies are redacted. HELD_DAYS is for deliveries that are dead or parked.
RAW_DAYS, HELD_DAYS = 14, 90
RUN_LOG_DAYS = 7  # days until the log of a successful run is deleted

process_webhooks = dg.define_asset_job(
    "process_webhooks",
    selection=dg.AssetSelection.assets("conversations"),
    description="Process a batch of raw deliveries to conversations, messages, statuses and leads.",
    tags=RETRIED_WHEN_LOST,
)


@dg.sensor(
    job=process_webhooks,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Request runs for the deliveries that wait in the inbox. Each tick shows its requests, or "
    "the waiting deliveries.",
)
def webhook_inbox_sensor(
    context: dg.SensorEvaluationContext, database: Database, webhook_inbox: WebhookInbox
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request a run per batch of new deliveries; skip if there are none."""
    if not settings.load_settings().whatsapp_enabled:
        yield dg.SkipReason("WHATSAPP_ENABLED is false")
        return
    with database.connect(application_name="whatsapp-pipeline webhook sensor") as conn:
        under_way = 0
        requests: list[dg.RunRequest] = []
        for batch in inbox.open_batches(conn):
            if _in_progress(context, batch):
                under_way += 1
            # abs() is needed, because a clock that was ahead may have recorded a launch in the future.
            elif abs(clock.now() - batch.requested_at) < _pause(batch.attempt):
                continue
            elif batch.attempt >= webhook_inbox.max_launches:
                # The waiting deliveries of this batch are planned in a new batch. The attempts of each
                # delivery decide when it becomes a dead letter.
                inbox.close_batch(conn, batch.id, dead=True)
                context.log.error(
                    f"batch {batch.id} did not end in {batch.attempt} launches and was given up",
                    extra=fields(batch=batch.id, attempts=batch.attempt),
                )
            else:
                requests.append(_request(batch.id, inbox.next_attempt(conn, batch.id)))
        while under_way + len(requests) < webhook_inbox.batches_per_tick:
            planned = webhook_inbox.plan(conn)
            if planned is None:
                break
            requests.append(_request(planned.id, planned.attempt))
        waiting, questions = inbox.count_deliveries(conn), question_status(conn)
    if questions.due and not requests and not under_way and _may_ask(context):
        requests.append(_request_for_answers())
    yield from requests[: webhook_inbox.batches_per_tick]
    if not requests:
        yield dg.SkipReason(_why_nothing(under_way, waiting, questions))


def _may_ask(context: dg.SensorEvaluationContext) -> bool:
    """Return whether an assistant is set, and no run that only asks the assistant is in progress."""
    if not settings.load_settings().assistant_base_url:
        return False
    runs = context.instance.get_runs(dg.RunsFilter(tags={ANSWERS_TAG: "true"}, statuses=UNFINISHED), limit=1)
    return not runs


def _request_for_answers() -> dg.RunRequest:
    """Return a run request for the waiting questions. Its key allows one run per minute."""
    return dg.RunRequest(
        run_key=f"webhook-answers-{clock.now():%Y%m%d%H%M}",
        run_config=dg.RunConfig(ops={"conversations": {"config": {"answers_only": True}}}),
        tags={ANSWERS_TAG: "true"},
    )


def _in_progress(context: dg.SensorEvaluationContext, batch: inbox.Batch) -> bool:
    runs = context.instance.get_runs(
        dg.RunsFilter(tags={BATCH_TAG: str(batch.id), ATTEMPT_TAG: str(batch.attempt)}), limit=1
    )
    return bool(runs) and not runs[0].is_finished


def _pause(attempt: int) -> timedelta:
    """Return how long an unfinished batch waits for its next launch.

    Its earlier run may still be in progress. The pause doubles with each attempt, to at most 10 minutes.
    """
    return timedelta(seconds=min(600, 15 * 2 ** (attempt - 1)))


def _request(batch_id: int, attempt: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"webhook-batch-{batch_id}-attempt-{attempt}",
        run_config=dg.RunConfig(ops={"conversations": {"config": {"batch_id": batch_id}}}),
        tags={BATCH_TAG: str(batch_id), ATTEMPT_TAG: str(attempt)},
    )


def _why_nothing(under_way: int, waiting: inbox.InboxStatus, questions: QuestionStatus) -> str:
    if under_way:
        return f"{under_way} batch(es) under way, {waiting.pending} deliveries wait"
    asked = f"; {questions.pending} question(s) wait for an answer" if questions.pending else ""
    return _what_waits(waiting) + asked


def _what_waits(waiting: inbox.InboxStatus) -> str:
    held = f"; {waiting.dead} dead, {waiting.parked} parked" if waiting.dead or waiting.parked else ""
    if waiting.pending:
        return f"{waiting.pending} deliveries wait for their next attempt{held}"
    return f"no new deliveries{held}"


@dg.op
def redact_raw_bodies(context: dg.OpExecutionContext, database: Database) -> None:
    """Remove old raw bodies from the inbox, and old files from the quarantine."""
    with database.connect(application_name="whatsapp-pipeline webhook retention") as conn:
        redacted = inbox.redact(conn, days=RAW_DAYS, held_days=HELD_DAYS)
        # If the assistant was switched off, no run asks questions, so the remaining questions are closed
        # here.
        settle_needless(conn)
    directory = quarantine.quarantine_directory(spool.spool_directory(settings.load_settings()))
    forgotten = quarantine.forget(directory, days=RAW_DAYS)
    context.log.info(
        f"{redacted} raw bodies redacted, {forgotten} quarantine files deleted",
        extra=fields(counts={"bodies_redacted": redacted, "quarantine_files_deleted": forgotten}),
    )


@dg.op
def forget_old_runs(context: dg.OpExecutionContext) -> None:
    """Delete successful runs of batches from Dagster's log after RUN_LOG_DAYS.

    Otherwise the log would grow with every batch.
    """
    before = clock.now() - timedelta(days=RUN_LOG_DAYS)
    records = context.instance.get_run_records(
        dg.RunsFilter(
            job_name=process_webhooks.name, statuses=[dg.DagsterRunStatus.SUCCESS], updated_before=before
        ),
        limit=10_000,
    )
    for record in records:
        context.instance.delete_run(record.dagster_run.run_id)
    context.log.info(f"{len(records)} runs deleted", extra=fields(counts={"runs_deleted": len(records)}))


@dg.job(description="Redact raw webhook bodies, delete old run logs.", tags=RETRIED)
def webhook_retention() -> None:
    """Redact old raw bodies, and delete old quarantine files and run logs."""
    redact_raw_bodies()
    forget_old_runs()


@at("30 1 * * *", webhook_retention)
def daily_webhook_retention(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Delete old webhook data every night at half past one."""
    return once_a_day("retention", context)


JOBS: list[Job] = [process_webhooks, webhook_retention]
SENSORS = [webhook_inbox_sensor]
SCHEDULES = [daily_webhook_retention]
