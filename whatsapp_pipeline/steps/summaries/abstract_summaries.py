"""Optional: a model's words beside the summaries, where an assistant is configured.

The summary itself never depends on it: a refusal, a wrong citation or a dead endpoint leaves the row as it
is, without an abstract.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from whatsapp_pipeline.assistant.client import AssistantError, OpenAiAssistant
from whatsapp_pipeline.domain.summaries.abstract import INSTRUCTIONS, Line, Sentence, believe, prompt
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.summaries import abstracts as store

_SIDES = {"from": "cliente", "to": "equipe"}
_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class AbstractOptions:
    """The budget of one run: at most so many requests, messages shown in each, and seconds in all."""

    requests: int = 50
    messages: int = 40
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class AbstractReport:
    """What the step did, in contacts."""

    written: int = 0
    rejected: int = 0
    failed: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts, ready to show."""
        return asdict(self)


def write_abstracts(
    conn: Connection, assistant: OpenAiAssistant, options: AbstractOptions, *, log: logging.Logger
) -> AbstractReport:
    """Write abstracts of summaries that have none for their present inputs, open issues first."""
    stop_at = time.monotonic() + options.seconds
    report, in_a_row = AbstractReport(), 0
    for contact in store.wanting(conn, limit=options.requests):
        left = stop_at - time.monotonic()
        if left <= 0 or in_a_row == _FAILURES_IN_A_ROW:
            log.warning("abstracts: stopped early (%s)", "out of time" if left <= 0 else "endpoint fails")
            break
        asked = replace(
            assistant, system_prompt=INSTRUCTIONS, deadline_seconds=min(assistant.deadline_seconds, left)
        )
        try:
            sentences = _ask(conn, asked, contact, options.messages)
        except AssistantError as error:
            log.warning("abstracts: contact %d: %s", contact["id_contato"], error)
            report, in_a_row = replace(report, failed=report.failed + 1), in_a_row + 1
            continue
        in_a_row = 0
        # A rejected answer is kept as none for these inputs, so that it is not paid for again every run.
        store.save(conn, contact["id_contato"], contact["input_hash"], sentences)
        if sentences is None:
            report = replace(report, rejected=report.rejected + 1)
        else:
            report = replace(report, written=report.written + 1)
    log.info("abstracts: %s", report.counts())
    return report


def _ask(
    conn: Connection, assistant: OpenAiAssistant, contact: dict[str, Any], messages: int
) -> list[Sentence] | None:
    rows = store.messages(conn, contact["id_contato"], limit=messages)
    lines = [Line(row["ref"], _SIDES[row["direction"]], row["text"]) for row in rows]
    if not lines:
        return None
    names = [name for name in (contact["nome"], contact["fantasia"]) if name]
    answer = assistant.reply([{"role": "user", "content": prompt(contact["summary"], lines, names)}])
    return believe(answer, {line.ref for line in lines})
