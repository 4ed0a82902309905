"""webhook_inbox and conversations: deliveries of the webhook, and their messages.

What belongs here: the assets and their configuration. What does not: the work (steps/conversations/).
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
# Steps are imported in the functions that use them, because their libraries take longer to load than Dagster.
import dagster as dg
from pydantic import Field

from whatsapp_pipeline.assets.declare import pipeline_asset
from whatsapp_pipeline.assets.materialize import (
    GROUP,
    OWNERS,
    PREVIEW_ROWS,
    Metadata,
    column_schema,
    open_in_console,
    preview,
)
from whatsapp_pipeline.domain.masking import mask_name
from whatsapp_pipeline.resources import table_frames
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.webhook_inbox import WebhookInbox
from whatsapp_pipeline.store import catalog
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import inbox
from whatsapp_pipeline.store.conversations.assistant import question_status
from whatsapp_pipeline.store.conversations.conversations import latest_conversations

webhook_inbox = dg.AssetSpec(
    "webhook_inbox",
    description="Raw deliveries. The receiver's drainer writes them outside Dagster, within a second.",
    group_name=GROUP,
    tags={"subject": "conversations"},
    kinds={"postgres"},
    owners=OWNERS,
    metadata={"dagster/table_name": "webhook_inbox"},
).with_io_manager_key(table_frames.KEY)


class ConversationsConfig(dg.Config):
    """The part of the inbox to process."""

    batch_id: int | None = Field(
        default=None, description="A batch that the sensor planned. Default: all deliveries that are due."
    )
    answers_only: bool = Field(
        default=False, description="Only send waiting questions to the assistant; process no deliveries."
    )


@pipeline_asset("conversations", table="conversation_messages", deps=[webhook_inbox])
def conversations(
    context: dg.AssetExecutionContext,
    config: ConversationsConfig,
    database: Database,
    webhook_inbox: WebhookInbox,
) -> dg.MaterializeResult[None]:
    """Messages, statuses and leads of the raw deliveries. Each is stored once, even if it was sent twice."""
    from whatsapp_pipeline.steps.conversations.answer_messages import answer_messages
    from whatsapp_pipeline.steps.conversations.process_webhooks import (
        ProcessReport,
        process_batch,
        process_due,
    )

    options = webhook_inbox.options()
    name = f"whatsapp-pipeline {context.run.run_id[:8]} conversations"
    with database.connect(application_name=name) as conn:
        if config.answers_only:
            report = ProcessReport()
        elif config.batch_id is None:
            report = process_due(conn, options, log=context.log)
        else:
            report = process_batch(conn, config.batch_id, options, log=context.log)
        # The assistant's settings are read after the deliveries, so that a wrong setting does not stop the
        # deliveries.
        assistant = webhook_inbox.assistant()
        answers = {}
        if assistant:
            limits = webhook_inbox.answer_limits()
            answers = answer_messages(conn, assistant, limits=limits, log=context.log).counts()
        waiting, questions = inbox.count_deliveries(conn), question_status(conn)
        return dg.MaterializeResult(
            metadata={
                **report.counts(),
                **answers,
                "dagster/row_count": catalog.row_count(conn, "conversation_messages"),
                "dagster/column_schema": column_schema(conn, "conversation_messages"),
                "still_pending": waiting.pending,
                "lag_seconds": round(waiting.oldest_pending_seconds, 1),
                "dead_letters": waiting.dead,
                "parked_deliveries": waiting.parked,
                "questions_pending": questions.pending,
                "questions_failed": questions.failed,
                "questions_expired": questions.expired,
                **_latest(conn),
            }
        )


def _latest(conn: Connection) -> Metadata:
    rows: list[dict[str, str | int | float | bool | None]] = [
        {"conversation": i, "name": mask_name(name), "contact": status, "last message": at, "messages": n}
        for i, name, status, at, n in latest_conversations(conn, PREVIEW_ROWS)
    ]
    return {"latest_conversations": preview(rows), **open_in_console(rows)}


ASSETS: list[dg.AssetSpec | dg.AssetsDefinition] = [webhook_inbox, conversations]
