"""Dagster's run statuses for runs that have ended, and for runs that are in progress or waiting.

What belongs here: sets of statuses. What does not: finding runs.
"""

from __future__ import annotations

import dagster as dg

ENDED = frozenset({dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in ENDED]
