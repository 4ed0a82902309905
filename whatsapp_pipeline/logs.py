"""How the pipeline's own log lines look: short text, or one JSON object a line (LOG_FORMAT=json).

`dagster.yaml` names the handler below, so runs from the UI and from the command line log alike. Messages hold
no phone, name or text of a chat: who logs masks first.

What belongs here: how a line looks and which lines are shown. What does not: what steps say.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from whatsapp_pipeline import settings
from whatsapp_pipeline.run_tags import months_in_words
from whatsapp_pipeline.safe_text import for_json, for_terminal


class PipelineHandler(logging.StreamHandler[Any]):
    """Writes to standard error what the pipeline's steps say; Dagster's own chatter stays out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_JsonLines() if settings.load().log_format == "json" else _Short())
        self.addFilter(_is_ours_or_serious)

    def handle(self, record: logging.LogRecord) -> bool:
        """Write the record, unless it is filtered out; say whether it was written."""
        shown = bool(super().handle(record))
        if not _is_event(record) and not record.exc_info:
            # Dagster hands it to its own console next, which no setting turns off for every run; at no level
            # it is below that one's threshold. Events stay: of an error the console writes the whole trace.
            record.levelno = logging.NOTSET
        return shown


def _meta(record: logging.LogRecord) -> dict[str, Any]:
    meta = getattr(record, "dagster_meta", None)
    return meta if isinstance(meta, dict) else {}


def _text(record: logging.LogRecord) -> str:
    return str(_meta(record).get("orig_message") or record.getMessage())


def _is_event(record: logging.LogRecord) -> bool:
    return _meta(record).get("dagster_event") is not None


def _is_ours_or_serious(record: logging.LogRecord) -> bool:
    # An engine event carries its event; what a step logs does not. Of a failure the engine reports of every
    # later step, in the step's name and with no event, that it did not run: the failure says it all.
    if _text(record).startswith("Dependencies for step "):
        return False
    return not _is_event(record) or record.levelno >= logging.ERROR


class _Short(logging.Formatter):
    """`12:00:01 chat_messages  text`."""

    def format(self, record: logging.LogRecord) -> str:
        step = str(_meta(record).get("step_key") or "")
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        time = datetime.fromtimestamp(record.created, UTC).astimezone()
        return f"{time:%H:%M:%S} {step:<20} {level}{for_terminal(_text(record))}"


class _JsonLines(logging.Formatter):
    """One object a line: time, level, run, job, asset, message, and what the step attached as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        meta = _meta(record)
        months = months_in_words(meta.get("job_tags") or {})
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "run_id": meta.get("run_id"),
            "job": meta.get("job_name"),
            "asset": meta.get("step_key"),
            "partition": getattr(record, "partition", None) or months or None,
            "batch": getattr(record, "batch", None),
            "message": _text(record),
        }
        return for_json(json.dumps({k: v for k, v in fields.items() if v is not None}, ensure_ascii=False))
