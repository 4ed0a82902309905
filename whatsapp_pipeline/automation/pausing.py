"""Schedules that request nothing during a pause, and say so in their tick."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.steps.operations.gates import pause_in_words
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import pending

T = TypeVar("T")


def unless_paused(evaluate: Callable[..., T]) -> Callable[..., T | dg.SkipReason]:
    """Wrap what a schedule evaluates: during a pause it skips, with since when, by whom and why.

    Dagster hands the context and the resources by the names in the wrapped function's signature.
    """

    @wraps(evaluate)
    def evaluate_unless_paused(*args: object, **kwargs: object) -> T | dg.SkipReason:
        url = pipeline_url(settings.load())
        if not pending(url):
            with connect(url, application_name="whatsapp-pipeline schedule") as conn:
                if words := pause_in_words(conn):
                    return dg.SkipReason(words)
        return evaluate(*args, **kwargs)

    return evaluate_unless_paused
