"""The webhook inbox as a Dagster resource, with the assistant that answers.

What belongs here: the limits of a run, and the assistant that the settings describe. What does not:
statements (store/conversations/inbox.py) and processing (steps/conversations/process_webhooks.py).
"""

# Do not add `from __future__ import annotations`: Dagster needs the types of fields as objects, not as text.
# The step and the assistant's client are imported in the functions that use them, because their libraries
# take long to load.
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


class WebhookInbox(dg.ConfigurableResource):  # type: ignore[type-arg]  # no value type: assets get the resource
    """Deliveries that the receiver stored in the database, and the limits of processing them."""

    database: dg.ResourceDependency[Database]
    batch_size: int = Field(default=5000, ge=1, description="Maximum number of deliveries in a run.")
    batches_per_tick: int = Field(default=2, ge=1, description="Maximum number of runs per sensor tick.")
    max_attempts: int = Field(
        default=5, ge=1, description="Number of failed attempts after which a delivery is a dead letter."
    )
    max_launches: int = Field(
        default=10, ge=1, description="Number of launches after which an unfinished batch is abandoned."
    )

    def status(self) -> inbox.InboxStatus:
        """Return counts of the deliveries that are pending, dead or parked."""
        with self.database.connect(application_name=APPLICATION) as conn:
            return inbox.count_deliveries(conn)

    def options(self) -> "ProcessOptions":
        """Return the options of processing, from this configuration and the settings."""
        from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions

        configured = settings.load_settings()
        return ProcessOptions(
            multitenant=configured.multitenant_enabled,
            ask_assistant=bool(configured.assistant_base_url),
            max_attempts=self.max_attempts,
        )

    def assistant(self) -> "OpenAiAssistant | None":
        """Return the assistant that the settings describe; None if it is off."""
        from whatsapp_pipeline.assistant.client import assistant_from

        return assistant_from(settings.load_settings())

    def answer_limits(self) -> "AnswerLimits":
        """Return the limits of one run's questions to the assistant, from the settings."""
        from whatsapp_pipeline.steps.conversations.answer_messages import limits_from

        return limits_from(settings.load_settings())

    def plan(self, conn: Connection) -> inbox.Batch | None:
        """Create a batch of the deliveries that are due; None if there are none."""
        return inbox.plan_batch(conn, self.batch_size)
