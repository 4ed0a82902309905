"""Reading the history of runs and checks from Dagster, as plain rows for the QA report.

What belongs here: reading Dagster's instance. What does not: the report (steps/operations/qa_report.py).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from whatsapp_pipeline.assets.check_state import earlier_results
from whatsapp_pipeline.domain.quality import Rule
from whatsapp_pipeline.run_tags import months_in_words
from whatsapp_pipeline.steps.operations.qa_report import History, RunLine

_MAX_RUNS = 40


def run_history(instance: dg.DagsterInstance, rules: Sequence[Rule]) -> History:
    """Return the last runs, and the earlier counts of failing rows of each check, both newest first."""
    trends = {}
    for rule in rules:
        key = dg.AssetCheckKey(dg.AssetKey(rule.asset), rule.name)
        trends[rule.name] = [int(row["failing"]) for row in earlier_results(instance, key)]
    return History(trends, _runs(instance))


def _runs(instance: dg.DagsterInstance) -> list[RunLine]:
    found = []
    for record in instance.get_run_records(limit=_MAX_RUNS):
        run, start = record.dagster_run, record.start_time or record.create_timestamp.timestamp()
        found.append(
            RunLine(
                datetime.fromtimestamp(start, UTC),
                run.job_name,
                months_in_words(run.tags),
                run.status.value,
                (record.end_time or start) - start,
            )
        )
    return found
