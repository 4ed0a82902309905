"""Requesting summaries a few minutes after a customer wrote live or a person changed the customer's links.

What belongs here: the sensor and its job. What does not: finding stale summaries (store/summaries) and
computing them (steps/summaries/). The sensor has no cursor; it reads the tables. After a failed run it
requests another run, each time after a longer pause.
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
from datetime import UTC, datetime, timedelta

import dagster as dg

from whatsapp_pipeline.assets.contacts import TABLES_AND_ERP
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.run_tags import RETRIED_WHEN_LOST
from whatsapp_pipeline.steps.operations.gates import held_in_words, pause_in_words, red_months
from whatsapp_pipeline.store.summaries.live_summaries import quiet_and_stale
from whatsapp_pipeline.store.summaries.stale_summaries import decided_and_quiet

QUIET = timedelta(minutes=5)
INTERVAL_SECONDS = 60
MAX_CONTACTS = 500

live_summaries = dg.define_asset_job(
    "live_summaries",
    selection=dg.AssetSelection.assets("customer_summaries", "commitments").without_checks(),
    description="Summarise the customers who wrote live, or whose links a person changed, some minutes ago.",
    tags=RETRIED_WHEN_LOST,
)


@dg.sensor(
    job=live_summaries,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Request summaries of customers whose last live message, or last change of links by a "
    "person, is more than 5 minutes old.",
)
def quiet_conversations_sensor(
    context: dg.SensorEvaluationContext, database: Database, rule_book: dg.ResourceParam[RuleBook]
) -> dg.RunRequest | dg.SkipReason:
    """Request one run for the waiting customers, if no run of this job is in progress."""
    # Imported here: loading the rules of commitments would make the definitions slow to load.
    from whatsapp_pipeline.store.summaries.unlinked_work import unlinked_change

    with database.connect(application_name="whatsapp-pipeline summaries sensor") as conn:
        if words := pause_in_words(conn):
            return dg.SkipReason(words)
        if words := held_in_words(conn, rule_book.blocking(*TABLES_AND_ERP)):
            return dg.SkipReason(words)
        waiting = quiet_and_stale(conn, quiet=QUIET, limit=MAX_CONTACTS)
        held = sorted(red_months(conn, rule_book.blocking("chat_messages")))
        waiting += decided_and_quiet(conn, quiet=QUIET, held_months=held, limit=MAX_CONTACTS)
        without_customer = unlinked_change(conn, quiet=QUIET)
    contacts = sorted({contact for contact, _ in waiting})
    if not waiting and without_customer is None:
        return dg.SkipReason("no customer waits for a summary")
    records = context.instance.get_run_records(dg.RunsFilter(job_name=live_summaries.name), limit=10)
    if any(not record.dagster_run.is_finished for record in records):
        return dg.SkipReason(f"a run is under way; {len(contacts)} customers wait")
    failed = 0
    for record in records:
        if record.dagster_run.is_success:
            break
        failed += 1
    if failed:
        again = records[0].create_timestamp + timedelta(minutes=min(60, 2**failed))
        if datetime.now(UTC) < again:
            return dg.SkipReason(
                f"the last {failed} run(s) failed; {len(contacts)} customers wait until {again:%H:%M} UTC"
            )
    newest = max(filter(None, (without_customer, *(changed for _, changed in waiting))))
    return dg.RunRequest(
        # Dagster never starts a run key twice, so the key contains the time of the request.
        run_key=f"live-summaries-{newest:%Y%m%dT%H%M%S%f}-{datetime.now(UTC):%Y%m%dT%H%M%S}",
        run_config=dg.RunConfig(ops={"customer_summaries": {"config": {"contacts": contacts}}}),
    )


JOBS = [live_summaries]
SENSORS = [quiet_conversations_sensor]
