"""The standings of checks (domain/quality.py), read from the database.

What belongs here: joining rules with their results and acceptances. What does not: the statements
(store/operations/qa_results.py), and comparing counts with tolerances (domain/quality.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_pipeline import clock
from whatsapp_pipeline.domain.quality import Rule, Standing, stand
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import qa_results


def standings(conn: Connection, rules: Sequence[Rule]) -> list[Standing]:
    """Return the standing of every rule over all months, from the last evaluation and today's acceptances."""
    return stand(rules, qa_results.results(conn), qa_results.acceptances(conn), clock.today())


def standing_of(conn: Connection, rule: Rule) -> Standing:
    """Return the standing of one rule over all months."""
    results = qa_results.results(conn, rule.name)
    return stand([rule], results, qa_results.acceptances(conn, rule.name), clock.today())[0]
