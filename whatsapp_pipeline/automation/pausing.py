"""Making schedules skip their ticks during a pause."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.databases import pipeline_url
from whatsapp_pipeline.steps.operations.current_code import why_not_current
from whatsapp_pipeline.steps.operations.gates import pause_in_words
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import pending_migrations

T = TypeVar("T")


def unless_paused(evaluate: Callable[..., T]) -> Callable[..., T | dg.SkipReason]:
    """Wrap the function of a schedule, so that ticks are skipped during a pause.

    The skip reason has the time, person and reason of the pause. While migrations are missing, the pause is
    not read, and the run reports them. With several hosts, ticks are also skipped while the database has
    other code. Dagster passes the context and resources by the names in the signature
    of the wrapped function.
    """

    @wraps(evaluate)
    def evaluate_unless_paused(*args: object, **kwargs: object) -> T | dg.SkipReason:
        configured = settings.load_settings()
        url = pipeline_url(configured)
        if configured.several_hosts and (problem := why_not_current(url)):
            return dg.SkipReason(problem)
        if not pending_migrations(url):
            with connect(url, application_name="whatsapp-pipeline schedule") as conn:
                if words := pause_in_words(conn):
                    return dg.SkipReason(words)
        return evaluate(*args, **kwargs)

    return evaluate_unless_paused
