"""The webhook inbox as Dagster resources: what was received, and who answers.

What belongs here: how much a run takes, and building the assistant from the settings. What does not:
statements (store/inbox) and processing (steps/process_webhooks).
"""

# No postponed annotations here: Dagster reads the types of fields from the annotations themselves.
# The step and the assistant's client are imported where they are used: they bring libraries that every load
# of the definitions would wait for.
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from whatsapp_pipeline import settings
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations import inbox

if TYPE_CHECKING:
    from whatsapp_pipeline.assistant.client import OpenAiAssistant
    from whatsapp_pipeline.steps.conversations.answer_messages import AnswerLimits
    from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions

APPLICATION = "whatsapp-pipeline webhook inbox"


class WebhookInbox(dg.ConfigurableResource):  # type: ignore[type-arg]  # no value type: it is handed as itself
    """What the receiver kept: deliveries in the database, and the spool before it."""

    database: dg.ResourceDependency[Database]
    batch_size: int = Field(default=5000, ge=1, description="Deliveries a run works through at most.")
    batches_per_tick: int = Field(default=2, ge=1, description="Runs a sensor tick asks for at most.")
    max_attempts: int = Field(
        default=5, ge=1, description="Failures after which a delivery is a dead letter."
    )
    max_launches: int = Field(
        default=10, ge=1, description="Launches after which a batch that never ends is given up."
    )

    def status(self) -> inbox.InboxStatus:
        """Count what waits."""
        with self.database.connect(application_name=APPLICATION) as conn:
            return inbox.status(conn)

    def options(self) -> "ProcessOptions":
        """Return how deliveries are processed, from this config and the settings."""
        from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions

        configured = settings.load()
        return ProcessOptions(
            multitenant=configured.multitenant_enabled,
            ask_assistant=bool(configured.assistant_base_url),
            max_attempts=self.max_attempts,
        )

    def assistant(self) -> "OpenAiAssistant | None":
        """Return the assistant of the settings, None when it is off."""
        from whatsapp_pipeline.assistant.client import assistant_from

        return assistant_from(settings.load())

    def answer_limits(self) -> "AnswerLimits":
        """Return what one run may take of the assistant, from the settings."""
        from whatsapp_pipeline.steps.conversations.answer_messages import limits_from

        return limits_from(settings.load())

    def plan(self, conn: Connection) -> inbox.Batch | None:
        """Open a batch over what is due; None when nothing is."""
        return inbox.plan_batch(conn, self.batch_size)
