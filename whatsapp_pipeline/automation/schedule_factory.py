"""Creating schedules in the archive's time zone that are switched on by default.

What belongs here: the common part of all schedules. What does not: their jobs, and the pause (pausing.py).
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
from collections.abc import Callable
from typing import Any

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import UnresolvedAssetJobDefinition

Job = dg.JobDefinition | UnresolvedAssetJobDefinition


def at(cron: str, job: Job) -> Callable[[Callable[..., Any]], dg.ScheduleDefinition]:
    """Make a schedule from the decorated function, which returns the run request of a tick.

    The UI shows the docstring of the function. Dagster itself uses only the docstrings of assets and jobs.
    """

    def make(function: Callable[..., Any]) -> dg.ScheduleDefinition:
        return dg.schedule(
            job=job,
            cron_schedule=settings.load_settings().schedule_cron or cron,
            execution_timezone=settings.load_settings().zone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=function.__doc__,
        )(function)

    return make


def once_a_day(name: str, context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Return a run request with the day as its key, so that a tick that is evaluated twice starts one run."""
    return dg.RunRequest(run_key=f"{name}:{context.scheduled_execution_time:%Y-%m-%d}")
