"""When schedules fire: in the archive's zone, and running from the start.

What belongs here: what all schedules share. What does not: what they run, and the pause (pausing.py).
"""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
from collections.abc import Callable
from typing import Any

import dagster as dg

from whatsapp_pipeline import settings
from whatsapp_pipeline.dagster_private import UnresolvedAssetJobDefinition

Job = dg.JobDefinition | UnresolvedAssetJobDefinition


def at(cron: str, job: Job) -> Callable[[Callable[..., Any]], dg.ScheduleDefinition]:
    """Make a schedule of the function below, which says what to run when `cron` comes round.

    Its docstring is what the UI shows of the schedule: Dagster takes it of assets and jobs alone.
    """

    def make(function: Callable[..., Any]) -> dg.ScheduleDefinition:
        return dg.schedule(
            job=job,
            cron_schedule=settings.load().schedule_cron or cron,
            execution_timezone=settings.load().zone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=function.__doc__,
        )(function)

    return make


def once_a_day(name: str, context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for a run under a key of its day: a tick that is evaluated twice starts one run."""
    return dg.RunRequest(run_key=f"{name}:{context.scheduled_execution_time:%Y-%m-%d}")
