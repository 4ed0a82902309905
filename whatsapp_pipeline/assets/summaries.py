"""customer_summaries: summaries and commitments of customers.

What belongs here: the asset and its configuration. What does not: the work (steps/summaries/).
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
# Steps are imported in the functions that use them, because their libraries take longer to load than Dagster.
from dataclasses import replace
from datetime import timedelta

import dagster as dg
from pydantic import Field

from whatsapp_pipeline import clock, settings
from whatsapp_pipeline.assets import lineage
from whatsapp_pipeline.assets.charts import bars
from whatsapp_pipeline.assets.chats import chat_messages
from whatsapp_pipeline.assets.contacts import TABLES_AND_ERP
from whatsapp_pipeline.assets.conversations import conversations
from whatsapp_pipeline.assets.materialize import (
    GROUP,
    OWNERS,
    PREVIEW_ROWS,
    Events,
    Metadata,
    SecondTable,
    StepConfig,
    open_in_console,
    preview,
    run_table,
)
from whatsapp_pipeline.domain.masking import mask_name, mask_phone
from whatsapp_pipeline.resources import table_frames
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.rule_book import RuleBook
from whatsapp_pipeline.steps.operations.gates import red_months, refuse_red
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.summaries import summary_reports as reports
from whatsapp_pipeline.store.summaries.commitment_lists import commitment_counts, commitment_lines


class SummaryConfig(StepConfig):
    """Options of summaries."""

    rebuild: bool = Field(
        default=False, description="Recompute every contact, not only those whose chats or orders changed."
    )
    conversation_gap_hours: int = Field(
        default=24, ge=1, description="Number of hours without a message after which a conversation ends."
    )
    contacts: list[int] | None = Field(
        default=None, description="Summarise only these contacts. Default: all contacts whose inputs changed."
    )


_DEPS = [
    dg.AssetDep(chat_messages, partition_mapping=dg.AllPartitionMapping()),
    dg.AssetDep("order_links", partition_mapping=dg.AllPartitionMapping()),
    dg.AssetDep(conversations),
]
# The asset runs once after several monthly runs, when all of them have ended, even if some months were never
# materialized. It ignores `conversations`: webhooks arrive all day, so they have their own sensor.
_AFTER_MONTHS = (
    dg.AutomationCondition.eager()
    .without(~dg.AutomationCondition.any_deps_missing())
    .ignore(dg.AssetSelection.assets(conversations))
)
_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=3), warn_window=timedelta(days=2))


def _spec(key: str, description: str, metadata: Metadata) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        description=description,
        deps=_DEPS,
        group_name=GROUP,
        tags={"subject": "summaries"},
        kinds={"python", "postgres"},
        owners=OWNERS,
        code_version="2",
        skippable=True,
        automation_condition=_AFTER_MONTHS,
        freshness_policy=_FRESH,
        metadata=metadata,
    ).with_io_manager_key(table_frames.KEY)


@dg.multi_asset(
    name="customer_summaries",
    can_subset=True,
    specs=[
        _spec(
            "customer_summaries",
            "One row per customer: metrics, open matters, mood, and the messages that are the evidence.",
            {"dagster/table_name": "customer_chat_summaries", **lineage.CUSTOMER_SUMMARIES},
        ),
        _spec(
            "commitments",
            "Prices, deadlines, decisions, pick-ups, payments and warranties in messages, with their "
            "outcomes. They are written together with customer_summaries.",
            {"dagster/table_name": "commitments", **lineage.COMMITMENTS},
        ),
    ],
)
def customer_summaries(
    context: dg.AssetExecutionContext,
    config: SummaryConfig,
    database: Database,
    rule_book: dg.ResourceParam[RuleBook],
) -> Events:
    """Bring the summaries and the commitments up to date.

    If a blocking check of messages is red in a month, the summaries of customers with chats in that month are
    not changed. `contacts_held` counts the summaries that would change.
    """
    from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize

    of_months = rule_book.blocking("chat_messages")
    options = SummaryOptions(
        rebuild=config.rebuild,
        gap=timedelta(hours=config.conversation_gap_hours),
        zone=settings.load_settings().zone,
        contacts=None if config.contacts is None else tuple(config.contacts),
    )
    yield from run_table(
        context,
        database,
        config,
        table="customer_chat_summaries",
        more=_summary_metadata,
        step=lambda conn: summarize(
            conn, replace(options, held_months=red_months(conn, of_months)), log=context.log
        ),
        before=lambda conn: refuse_red(conn, rule_book.blocking(*TABLES_AND_ERP)),
        second=SecondTable("commitments", "commitments", _commitment_metadata),
    )


def _summary_metadata(conn: Connection) -> Metadata:
    distributions = {
        "contacts by frequency": reports.frequency_distribution(conn),
        "contacts by estimated sentiment": reports.sentiment_distribution(conn),
        "contacts by first response": reports.response_distribution(conn),
        "contacts by topic": reports.topic_distribution(conn),
    }
    charts = {
        title.replace(" ", "_"): bars(title, {bucket.name: bucket.contacts for bucket in buckets})
        for title, buckets in distributions.items()
    }
    urgent: list[dict[str, str | int | float | bool | None]] = [
        {
            "contact": issue.id_contato,
            "name": mask_name(issue.name),
            "phone": mask_phone(issue.phone),
            "open since": f"{issue.open_since:%Y-%m-%d}",
            "why": ", ".join(issue.reasons),
            "sentiment": issue.sentiment,
            "topics": ", ".join(issue.topics),
        }
        for issue in reports.most_urgent(conn)
    ]
    return {
        **charts,
        "most_urgent_open_issues": preview(urgent),
        "console": dg.MetadataValue.url(settings.load_settings().console_url),
        **open_in_console(urgent),
    }


def _commitment_metadata(conn: Connection) -> Metadata:
    today = clock.today()
    lines = commitment_lines(conn, "overdue", today=today, limit=PREVIEW_ROWS)
    overdue: list[dict[str, str | int | float | bool | None]] = [
        {
            "contact": line.id_contato,
            "name": mask_name(line.nome),
            "kind": line.kind,
            "due": f"{line.due_on:%Y-%m-%d}" if line.due_on else None,
            "order": line.numero_ordem_servico,
        }
        for line in lines
    ]
    return {
        **commitment_counts(conn, today=today),
        "overdue_commitments": preview(overdue),
        **open_in_console(
            {"contact": line.id_contato, "source": line.source, "message_id": line.message_id}
            for line in lines
        ),
    }


ASSETS = [customer_summaries]
