"""Which of Dagster's run statuses mean that a run is over, and which that it goes on or waits.

What belongs here: sets of statuses. What does not: looking for runs.
"""

from __future__ import annotations

import dagster as dg

ENDED = frozenset({dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in ENDED]
