"""Jobs and schedules: contacts and the current month every day, the previous month once a month."""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
from datetime import timedelta

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.assets.partition_status import MONTHLY
from whatsapp_pipeline.assets.partitions import FORMAT
from whatsapp_pipeline.automation.pausing import unless_paused
from whatsapp_pipeline.automation.schedule_factory import at, once_a_day
from whatsapp_pipeline.run_tags import DRY_RUN, RETRIED

MAX_MONTHS_IN_PROGRESS = 3
"""Number of runs of monthly_chats in progress from which on a sensor requests no further month.

So many old months do not fill the queue of runs.
"""
MONTHLY_ASSETS = dg.AssetSelection.assets("chat_file_index", "contact_links", "order_links", "chat_messages")

# customer_summaries is not selected: it has no partitions, so a partitioned job would rebuild it in every
# month's run. Its automation condition runs it once after these runs.
monthly_chats = dg.define_asset_job(
    "monthly_chats",
    selection=MONTHLY_ASSETS,
    description="One month of the archive: index, link, load, check. For a range: monthly_load.",
    tags=RETRIED,
)
# Dagster plans a check once per month of a run but evaluates it once. So a range is loaded without checks,
# and another run evaluates them afterwards.
monthly_load = dg.define_asset_job(
    "monthly_load",
    selection=MONTHLY_ASSETS.without_checks(),
    description="A range of months of the archive: index, link, load. Run monthly_checks after it.",
    tags=RETRIED,
)
monthly_dry_run = dg.define_asset_job(
    "monthly_dry_run",
    selection=MONTHLY_ASSETS.without_checks(),
    description="A dry run of months: everything is rolled back, and the results of checks do not change.",
    tags={DRY_RUN: "true", **RETRIED},
)
monthly_checks = dg.define_asset_job(
    "monthly_checks",
    selection=dg.AssetSelection.checks_for_assets(*MONTHLY),
    description="The checks of the monthly assets, for the months in the tag whatsapp_pipeline/months or all "
    "months.",
    tags=RETRIED,
)
all_checks = dg.define_asset_job(
    "all_checks",
    selection=dg.AssetSelection.all_asset_checks(),
    description="All checks over all months, because overrides, erasures and SQL change data without a run.",
    tags=RETRIED,
)
# The tag selects tiny_contacts and tiny_orders if an ERP is set, otherwise nothing. The checks of external
# assets run only in a job that names them.
contacts = dg.define_asset_job(
    "contacts",
    selection=dg.AssetSelection.tag("source", "tiny")
    | dg.AssetSelection.assets("normalized_contacts")
    | dg.AssetSelection.checks_for_assets("contatos", "ordens_servico"),
    description="Read contacts and orders from the ERP, if one is set, and normalize the contacts' phones.",
    tags=RETRIED,
)
# The job includes conversations, because new contacts and orders may change their links.
summaries = dg.define_asset_job(
    "summaries",
    selection=dg.AssetSelection.assets("conversations", "customer_summaries", "commitments"),
    description="Link live conversations, then summarise the customers whose chats or orders changed.",
    tags=RETRIED,
)


@at("0 2 * * *", contacts)
@unless_paused
def daily_contacts(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Read changes of the ERP, if one is set, and normalize changed contacts, every night at 2."""
    return once_a_day("contacts", context)


@at("0 3 * * *", monthly_chats)
@unless_paused
def daily_current_month(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Load new files of the current month's folder, every night at 3."""
    now = context.scheduled_execution_time
    return dg.RunRequest(run_key=f"current:{now:%Y-%m-%d}", partition_key=now.strftime(FORMAT))


@at("0 4 2 * *", monthly_chats)
@unless_paused
def monthly_closed_month(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Load the previous month again on the 2nd at 4, because exports may arrive late."""
    closed = context.scheduled_execution_time.replace(day=1) - timedelta(days=1)
    month = closed.strftime(FORMAT)
    if month < settings.load_settings().first_month:
        return dg.SkipReason(f"{month} is before the first month, {settings.load_settings().first_month}")
    return dg.RunRequest(run_key=f"closed:{month}", partition_key=month)


@at("0 5 * * *", summaries)
@unless_paused
def daily_summaries(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Link conversations to new contacts and orders, and write summaries, every night at 5."""
    return once_a_day("summaries", context)


@at("45 5 * * *", all_checks)
def daily_checks(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Evaluate every check over all months, every day at 5:45, before the report."""
    return once_a_day("checks", context)


# The project has its own automation sensor, because Dagster's default sensor must be switched on by hand.
automation = dg.AutomationConditionSensorDefinition(
    "summaries_after_months",
    target=dg.AssetSelection.assets("customer_summaries", "commitments"),
    description="Summarise the customers whose chats or orders a month's run changed.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)

JOBS = [monthly_chats, monthly_load, monthly_dry_run, monthly_checks, all_checks, contacts, summaries]
SCHEDULES = [daily_contacts, daily_current_month, monthly_closed_month, daily_summaries, daily_checks]
SENSORS = [automation]
